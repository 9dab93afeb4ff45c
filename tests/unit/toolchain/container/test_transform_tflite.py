from __future__ import annotations

from pathlib import Path

import pytest
import small_tflite

from cvimake.pipeline.inputs import SOURCE
from cvimake.project.networks import tflite
from cvimake.toolchain.container.tflite_file import File
from cvimake.toolchain.container.transform_tflite import QUANTISED, main, widened

HEAD = (
    'module @net attributes {module.platform = "TFLITE", module.state = "TOP_QUANTIZED", '
    'module.weight_file = "net_top_quantized_all_weight.npz"} {\n'
)
TOOL = """
import sys
from pathlib import Path
Path("net.mlir").write_text(Path("given.mlir").read_text())
Path("net_top_quantized_all_weight.npz").write_text("weights")
sys.exit(int(sys.argv[2]))
"""
NETWORK = f"{SOURCE}.tflite"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    (tmp_path / NETWORK).write_bytes(small_tflite.convolution())
    return tmp_path


def transform(text: str, code: int = 0) -> int:
    Path("given.mlir").write_text(text, encoding="utf-8")
    return main("net", ["tool.py", f"--model_def={NETWORK}", str(code)])


def test_a_float_network_is_called_float_and_so_are_its_weights() -> None:
    assert transform(f"{HEAD}  tensor<1x3x32x32xf32>\n") == 0
    assert Path("net.mlir").read_text(encoding="utf-8") == (
        'module @net attributes {module.platform = "TFLITE", module.state = "TOP_F32", '
        'module.weight_file = "net_top_f32_all_weight.npz"} {\n  tensor<1x3x32x32xf32>\n'
    )
    assert Path("net_top_f32_all_weight.npz").read_text(encoding="utf-8") == "weights"
    assert not Path("net_top_quantized_all_weight.npz").exists()


def test_a_quantised_network_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert transform(f"{HEAD}  tensor<1x3x32x32x!quant.uniform<i8:f32, 0.03:-2>>\n") == QUANTISED
    assert "Convert it to TFLite without quantisation" in capsys.readouterr().out
    assert not Path("net_top_f32_all_weight.npz").exists()


def test_the_weights_of_a_model_with_a_capital_letter_are_found() -> None:
    Path("tool.py").write_text(TOOL.replace('"net.mlir"', '"Net.mlir"'), encoding="utf-8")
    Path("given.mlir").write_text(f"{HEAD}  tensor<1x3x32x32xf32>\n", encoding="utf-8")
    assert main("Net", ["tool.py", f"--model_def={NETWORK}", "0"]) == 0
    assert 'module.weight_file = "net_top_f32_all_weight.npz"' in Path("Net.mlir").read_text(encoding="utf-8")
    assert Path("net_top_f32_all_weight.npz").exists()


def test_a_failure_of_the_tool_is_passed_on() -> None:
    assert transform(HEAD, code=7) == 7
    assert "TOP_QUANTIZED" in Path("net.mlir").read_text(encoding="utf-8")


# Weights in float16

ECHO = """
import sys
from pathlib import Path
Path("seen.txt").write_text(" ".join(sys.argv[1:]))
Path("net.mlir").write_text("")
Path("net_top_quantized_all_weight.npz").write_text("weights")
"""


def test_weights_in_float16_become_float32_and_nothing_else_changes() -> None:
    wide = widened(small_tflite.convolution("FLOAT16"))
    assert wide
    file, plain = File(wide), File(small_tflite.convolution())
    found, expected = file.graph(), plain.graph()
    assert [(one.op, one.inputs, one.outputs) for one in found.operators] == [
        (one.op, one.inputs, one.outputs) for one in expected.operators
    ]
    for number in (1, 2):
        one, other = found.tensors[number], expected.tensors[number]
        assert (one.type, one.shape) == ("FLOAT32", other.shape)
        assert file.values_at(one.data) == plain.values_at(other.data)
        assert one.data
        assert one.data[0] % 16 == 0
    assert tflite_faults(wide) == ()


def tflite_faults(data: bytes) -> tuple[str, ...]:
    Path("wide.tflite").write_bytes(data)
    return tflite.read(Path("wide.tflite")).faults


def test_a_network_in_float32_is_left_as_it_is() -> None:
    assert widened(small_tflite.convolution()) is None


def test_the_tool_gets_the_wide_copy(folder: Path) -> None:
    (folder / "tool.py").write_text(ECHO, encoding="utf-8")
    Path(NETWORK).write_bytes(small_tflite.convolution("FLOAT16"))
    assert main("net", ["tool.py", f"--model_def={NETWORK}", "--mlir=net.mlir"]) == 0
    network, rest = Path("seen.txt").read_text(encoding="utf-8").split()
    assert rest == "--mlir=net.mlir"
    copy = Path(network.removeprefix("--model_def="))
    assert File(copy.read_bytes()).graph().tensors[1].type == "FLOAT32"
    assert File(Path(NETWORK).read_bytes()).graph().tensors[1].type == "FLOAT16"
