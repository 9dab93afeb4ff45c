"""Checkpoints of Ultralytics, from the making of the export image to a network that the camera decodes.

The image is made here if it is not there (minutes). The checkpoints are made in it: good and hostile ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from lab import environment, is_running
from projects import Project, copy_shapes

from cvimake.core.action import GIBIBYTE, Action, FileKind, Input, Limits, Output
from cvimake.core.errors import StageFailedError
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import ExportRecipe, Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stages import export
from cvimake.toolchain import commands

MAKE = Path(__file__).with_name("make_checkpoints.py")
GOOD, HOSTILE = ("detect", "detect26", "segment"), ("writes", "connects", "forks", "allocates")
GROWS = "grows"
SHAPE = (1, 3, 64, 64)
BOUNDS = Limits(memory=GIBIBYTE, processes=64, seconds=600.0, workspace=GIBIBYTE // 4)
# It takes what the exporter's own Python unpickles, without the exporter's safeguard.
UNPICKLE = """
import sys, torch
torch.load(sys.argv[1], map_location="cpu", weights_only=False)
open("out.txt", "w").write("loaded")
"""


@pytest.fixture(scope="module")
def image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> ToolchainImage:
    recipe = ExportRecipe(base=Recipe.from_environment(os.environ).base)
    return making.ensure(engine, recipe, tmp_path_factory.mktemp("image"), os.environ)


@pytest.fixture(scope="module")
def sandbox(engine: DockerEngine, image: ToolchainImage, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(root=tmp_path_factory.mktemp("lab"), engine=engine, image=image.id)


@pytest.fixture(scope="module")
def checkpoints(sandbox: Sandbox) -> Path:
    """The folder with all of them."""
    names = [f"{name}.pt" for name in (*GOOD, *HOSTILE, GROWS)]
    sandbox.run(
        Action(
            name="checkpoints:make",
            argv=(*commands.DETERMINISTIC, "python3", MAKE.name),
            environment=commands.export_environment(),
            inputs=(Input(name=MAKE.name, path=MAKE),),
            outputs=tuple(Output(name=name, path=Path(name), kind=FileKind.TEXT) for name in names),
            limits=Limits(seconds=600.0),
        )
    )
    return sandbox.root


def init(project: Project, checkpoint: Path) -> subprocess.CompletedProcess[str]:
    """Declare a model; its test image is given, since random weights find nothing in any."""
    image = project.folder / "datasets" / "shapes" / "test" / "0000.jpg"
    return project.doit("init", str(checkpoint), f"--test-image={image}")


@pytest.fixture(scope="module")
def project(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a dataset, and a model that `init` has declared for a checkpoint."""
    folder = tmp_path_factory.mktemp("project")
    copy_shapes(folder)
    shutil.rmtree(folder / "models")
    shutil.copy(Path(__file__).parents[2] / "dodo.py", folder)
    made = Project(folder, "detect")
    result = init(made, checkpoints / "detect.pt")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "recognised as YOLO11, detect: 4 classes, images of 64 x 64" in result.stdout
    assert "the camera takes it for YOLO11, and that works" in result.stdout
    return made


def test_the_export_image_has_a_fingerprint_of_its_own_and_no_toolchain(image: ToolchainImage) -> None:
    assert image.identity["packages"]["ultralytics"]["version"] == "8.4.190"
    assert "tpu-mlir" not in image.identity["packages"]
    assert set(image.identity) == {"python", "packages", "system", "files"}


def test_init_drafts_a_checkpoint_and_its_network_is_built(project: Project) -> None:
    declaration = (project.model / "model.toml").read_text(encoding="utf-8")
    assert 'source = "detect.pt"' in declaration
    assert "shapes = [[1, 3, 64, 64]]" in declaration
    assert (project.model / "classes.txt").read_text(encoding="utf-8").split() == [
        "circle", "rectangle", "triangle", "star"
    ]  # fmt: skip
    project.built("detect:mlir")
    assert project.path(".mlir").is_file()
    assert project.json("_outputs.json")
    # Another run has nothing to do.
    assert "0 built" in project.built("detect:mlir").doit("detect:mlir").stdout


def test_equal_checkpoints_give_equal_bytes_elsewhere_and_on_another_day(
    project: Project, sandbox: Sandbox, checkpoints: Path
) -> None:
    project.built("detect:export")
    action = export.action(
        "again:export", checkpoints / "detect.pt", Path("again.onnx"), SHAPE, Limits(seconds=300.0)
    )
    sandbox.run(commands.dated(action, 1_900_000_000))
    again, first = (sandbox.root / "again.onnx").read_bytes(), project.path("_export.onnx").read_bytes()
    assert again == first
    made = onnx.load_from_string(first)
    assert {"date", "description"}.isdisjoint(entry.key for entry in made.metadata_props)
    assert [(entry.domain, entry.version) for entry in made.opset_import] == [("", 17)]


@pytest.mark.parametrize(
    ("name", "task", "camera"), [("detect26", "detect", "YOLO26"), ("segment", "segment", "YOLO11-seg")]
)
def test_other_networks_work_on_the_camera_after_the_export(
    project: Project, checkpoints: Path, name: str, task: str, camera: str
) -> None:
    result = init(project, checkpoints / f"{name}.pt")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"recognised as YOLO26, {task}: 4 classes, images of 64 x 64" in result.stdout
    assert f"the camera takes it for {camera}, and that works" in result.stdout


# Hostile ones


@pytest.fixture
def untouched(sandbox: Sandbox) -> Iterator[None]:
    """The host has the same files after the test, where the checkpoints' programs may have tried to write."""
    places = (Path("/tmp/hostile"), Path("/workspace/hostile"), sandbox.root / "hostile")
    assert not [place for place in places if place.exists()]
    yield
    assert not [place for place in places if place.exists()]
    assert list(sandbox.root.glob("build/.work/*")) == []


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_before_any_of_it_runs(
    sandbox: Sandbox, checkpoints: Path, name: str
) -> None:
    action = export.action(f"{name}:export", checkpoints / f"{name}.pt", Path("none.onnx"), SHAPE, BOUNDS)
    with pytest.raises(
        StageFailedError, match=r"the checkpoint names \S+, which no network of Ultralytics has"
    ):
        sandbox.run(action)
    assert not (sandbox.root / "none.onnx").exists()


@pytest.mark.usefixtures("untouched")
def test_a_network_without_end_is_stopped_by_the_limit_of_memory(sandbox: Sandbox, checkpoints: Path) -> None:
    action = export.action("grows:export", checkpoints / f"{GROWS}.pt", Path("none.onnx"), SHAPE, BOUNDS)
    with pytest.raises(StageFailedError, match=r"can't allocate memory|needs more than its memory limit"):
        sandbox.run(action)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("connects", "Operation not permitted"),
        ("forks", "the limit is 64 processes|needs more than its memory limit of 1.0 GiB"),
        ("allocates", "needs more than its memory limit of 1.0 GiB"),
    ],
)
def test_without_the_safeguard_the_sandbox_alone_holds_it(
    engine: DockerEngine, sandbox: Sandbox, checkpoints: Path, name: str, told: str
) -> None:
    action = Action(
        # Another run of these tests may use this engine at the same time.
        name=f"{name}:{uuid.uuid4().hex}",
        argv=(*commands.DETERMINISTIC, "python3", "-c", UNPICKLE, "_source.pt"),
        environment=commands.export_environment(),
        inputs=(Input(name="_source.pt", path=checkpoints / f"{name}.pt"),),
        outputs=(Output(name="out.txt", path=Path("out.txt"), kind=FileKind.TEXT),),
        limits=BOUNDS,
    )
    with pytest.raises(StageFailedError, match=told):
        sandbox.run(action)
    assert not is_running(engine, action.name)


@pytest.mark.usefixtures("untouched")
def test_what_a_pickle_writes_in_the_sandbox_does_not_leave_it(sandbox: Sandbox, checkpoints: Path) -> None:
    action = Action(
        name="writes:unpickle",
        argv=(*commands.DETERMINISTIC, "python3", "-c", UNPICKLE, "_source.pt"),
        environment=commands.export_environment(),
        inputs=(Input(name="_source.pt", path=checkpoints / "writes.pt"),),
        outputs=(Output(name="out.txt", path=Path("out.txt"), kind=FileKind.TEXT),),
        limits=BOUNDS,
    )
    before = (checkpoints / "writes.pt").read_bytes()
    sandbox.run(action)
    # It ran there, and what is declared was published alone.
    assert (sandbox.root / "out.txt").read_text(encoding="utf-8") == "loaded"
    assert (checkpoints / "writes.pt").read_bytes() == before


def test_without_containers_no_checkpoint_is_opened(checkpoints: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "cvimake.cli", "init", str(checkpoints / "detect.pt")],
        cwd=tmp_path, env=environment(CVIMAKE_ENGINE="local"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "a checkpoint is only opened in a container" in result.stderr
