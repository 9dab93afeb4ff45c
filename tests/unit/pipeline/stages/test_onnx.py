from __future__ import annotations

from pathlib import Path

from small_stages import FULL, SMALL, action_of, declared

from cvimake.pipeline.stages import onnx
from cvimake.project import read_declarations
from cvimake.toolchain import commands


def test_the_conversion_ends_the_network_in_the_declared_outputs(tmp_path: Path) -> None:
    """The transform would give them an order of its own."""
    model = declared(tmp_path, SMALL + '[output]\nnames = ["b", "a"]\n')
    assert '--outputs=["b","a"]' in action_of(model, "onnx").argv
    assert not [word for word in action_of(model, "mlir").argv if word.startswith("--output_names")]
    model = declared(tmp_path, SMALL + "[output]\nrelative_boxes = true\n")
    assert "--relative-boxes" in action_of(model, "onnx").argv


def test_an_onnx_source_is_converted_by_this_command(tmp_path: Path) -> None:
    text = SMALL + "[input]\nshapes = [[1, 3, 32, 32]]\n[onnx]\nopset = 15\nir = 7\n"
    action = action_of(declared(tmp_path, text), "onnx")
    start = len(commands.DETERMINISTIC)
    assert action.argv[start:] == (
        "env", "PYTHONPATH=/program", "/opt/tpu_mlir/onnx/bin/python3", "-m", "onnx_downgrade",
        "_source.onnx", "net.onnx", "net_onnx.json", "--opset=15", "--ir=7", "--input-shapes=[[1,3,32,32]]",
        "--fixed",
    )  # fmt: skip
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH"} & action.environment.keys()
    (program,) = action.folders
    assert "onnx_downgrade/__main__.py" in program.files
    assert all(path.is_file() for path in program.files.values())


def test_weights_in_files_of_their_own_lie_beside_the_source(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + '[onnx]\nexternal_data = ["weights/all.bin"]\n')
    action = action_of(model, "onnx")
    assert action.folders[1].target == "/external"
    assert action.folders[1].files == {"weights/all.bin": tmp_path / "models/net/weights/all.bin"}
    assert "--external=/external" in action.argv
    assert model.missing


def test_the_files_that_exporters_write_are_found(tmp_path: Path) -> None:
    model = declared(tmp_path)
    (model.folder / "net.onnx.data").touch()
    model = read_declarations(tmp_path).models["net"]
    assert action_of(model, "onnx").folders[1].files.keys() == {"net.onnx.data"}


def test_other_sources_are_not_converted(tmp_path: Path) -> None:
    assert not list(onnx.stages(declared(tmp_path, FULL)))
