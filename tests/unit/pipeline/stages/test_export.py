from __future__ import annotations

from pathlib import Path

import small_checkpoints
from small_checkpoints import ULTRALYTICS
from small_stages import SMALL, declared

from cvimake.core.action import Limits
from cvimake.core.paths import EXPORT, TOOLCHAIN
from cvimake.pipeline.checks import CheckpointCheck
from cvimake.pipeline.stages import export, mlir, onnx
from cvimake.project import DeclaredModel, read_declarations

SHAPED = SMALL.replace('"net.onnx"', '"best.pt"').replace(
    "[verify]", "[input]\nshapes = [[1, 3, 64, 96]]\n[verify]"
)


def checkpoint(root: Path) -> DeclaredModel:
    small_checkpoints.write(declared(root, SHAPED).source, *ULTRALYTICS)
    return read_declarations(root).models["net"]


def test_a_checkpoint_is_exported_for_its_declared_shape_in_an_image_of_its_own(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    (stage,) = export.stages(model)
    assert stage.action.name == "net:export"
    assert stage.toolchain == EXPORT
    assert stage.checks == (CheckpointCheck(model=model),)
    assert stage.action.argv[-4:] == ("1", "3", "64", "96")
    assert {file.name: file.path.name for file in stage.action.inputs} == {
        "_source.pt": "best.pt",
        "export_checkpoint.py": "export_checkpoint.py",
    }
    assert [file.path for file in stage.action.outputs] == [Path("build/net/net_export.onnx")]
    # Nothing of the toolchain's image.
    assert "tpu_mlir" not in " ".join((*stage.action.argv, *stage.action.environment.values()))


def test_no_checkpoint_is_unpickled_without_ultralytics_own_safeguard(tmp_path: Path) -> None:
    (stage,) = export.stages(checkpoint(tmp_path))
    assert stage.action.environment["ULTRALYTICS_SAFE_LOAD"] == "true"


def test_a_hostile_checkpoint_is_stopped_after_a_quarter_of_an_hour_or_earlier(tmp_path: Path) -> None:
    (stage,) = export.stages(checkpoint(tmp_path))
    assert stage.action.limits.seconds == export.SECONDS == 900
    assert stage.action.limits.memory == Limits().memory


def test_the_other_stages_begin_with_the_export_as_with_any_onnx_network(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    (exported, conversion), (transform,) = onnx.stages(model), mlir.stages(model)
    assert exported.toolchain == EXPORT
    assert [str(file.path) for file in conversion.action.inputs] == ["build/net/net_export.onnx"]
    assert "--model_def=_source.onnx" in transform.action.argv
    assert {conversion.toolchain, transform.toolchain} == {TOOLCHAIN}
    assert not model.takes_frameworks


def test_no_other_network_is_exported(tmp_path: Path) -> None:
    assert list(export.stages(declared(tmp_path / "a"))) == []
    # It may still come.
    waiting = declared(tmp_path / "b", SHAPED)
    assert list(export.stages(waiting)) == []
    assert waiting.missing == (tmp_path / "b" / "models" / "net" / "best.pt",)
