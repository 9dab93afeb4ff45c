from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.steps.transform_tflite import QUANTISED, main

HEAD = (
    'module @net attributes {module.platform = "TFLITE", module.state = "TOP_QUANTIZED", '
    'module.weight_file = "net_top_quantized_all_weight.npz"} {\n'
)
TOOL = """
import sys
from pathlib import Path
Path("net.mlir").write_text(Path("given.mlir").read_text())
Path("net_top_quantized_all_weight.npz").write_text("weights")
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    return tmp_path


def transform(text: str, code: int = 0) -> int:
    Path("given.mlir").write_text(text, encoding="utf-8")
    return main("net", ["tool.py", str(code)])


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


def test_a_failure_is_the_tools() -> None:
    assert transform(HEAD, code=7) == 7
    assert "TOP_QUANTIZED" in Path("net.mlir").read_text(encoding="utf-8")
