from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest

from bench import guide, project
from cvimake.pipeline.stage import StageOf
from cvimake.pipeline.stages import calibration, cvimodel, mlir, qtable
from cvimake.pipeline.stages import onnx as conversion
from cvimake.project import DeclaredModel, read_declarations
from cvimake.toolchain.container.onnx_downgrade import tidy

SOURCE = Path("models", "shapes", "shapes.onnx")


def declared(root: Path) -> DeclaredModel:
    with project.working_in(root):
        return read_declarations(Path()).models["shapes"]


def files(model: DeclaredModel) -> list[str]:
    assert model.calibration_samples
    return list(model.calibration_samples.files)


@pytest.fixture(scope="module")
def model() -> DeclaredModel:
    return declared(project.CHECKOUT)


@pytest.mark.parametrize(
    ("stage_of", "tool"),
    [
        (mlir.stages, "model_transform.py"),
        (calibration.stages, "run_calibration.py"),
        (qtable.stages, "run_qtable.py"),
        (cvimodel.stages, "model_deploy.py"),
    ],
)
def test_the_command_by_hand_has_the_arguments_of_the_action(
    model: DeclaredModel, stage_of: StageOf, tool: str
) -> None:
    action = next(stage_of(model)).action
    command = guide.tool_command(action)
    assert command[0] == "python3"
    assert command[1].endswith(f"/python/tools/{tool}")
    assert command[2:] == list(action.argv[-len(command[2:]) :])
    # None of ours, and nothing that stands around it.
    assert not any(part.endswith(".py") for part in command[2:])


def test_an_action_without_a_tool_has_no_command(model: DeclaredModel) -> None:
    with pytest.raises(ValueError, match="shapes:onnx: no tool"):
        guide.tool_command(next(conversion.stages(model)).action)


def test_each_change_is_to_what_a_build_reads(tmp_path: Path) -> None:
    for name in ("models", "datasets"):
        shutil.copytree(project.CHECKOUT / name, tmp_path / name)
    before, network = declared(tmp_path), onnx.load(tmp_path / SOURCE)
    changes = guide.changes(tmp_path)
    assert list(changes) == list(guide.CHANGES)
    for change in changes.values():
        change()
    after, exported = declared(tmp_path), onnx.load(tmp_path / SOURCE)
    assert [variant.options.op_divide for variant in after.variants] == [None, None, True]
    added = set(files(after)) - set(files(before))
    assert len(added) == 1
    # Otherwise it may be one of those that are not calibrated with.
    assert min(files(after)) in added
    assert exported != network
    tidy.strip(exported)
    tidy.strip(network)
    assert exported == network
