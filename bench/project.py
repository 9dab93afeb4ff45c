"""Makes projects to measure with: any number of equal models, optionally with everything up to date."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from doit.control import TaskControl
from doit.dependency import Dependency
from doit.loader import generate_tasks
from doit.task import Task as DoitTask

from cvimake import dodo
from cvimake.builder import staleness
from cvimake.builder.content_checker import OUTPUTS
from cvimake.builder.history import HISTORY, History
from cvimake.builder.records import Records
from cvimake.camera.recognition import Recognition
from cvimake.cli.new import DODO
from cvimake.core.paths import TOOLCHAIN
from cvimake.pipeline.cvimodel_info import Info

CHECKOUT = Path(__file__).resolve().parent.parent
TINY = CHECKOUT / "tests" / "models" / "tiny"
# The tasks of a model: onnx, mlir, calibration, int8, int8_info, mix_qtable, mix, mix_info, and its group.
TASKS_OF_A_MODEL = 9

_SAMPLES = 8
_PYPROJECT = """\
[project]
name = "bench"
version = "1"
"""
_DATASET = 'files = ["*.png"]\n'
_MODEL = """\
description = "One of many"
source = "tiny.onnx"

[input]
shapes = [[1, 3, 128, 128]]
mean = [0.0, 0.0, 0.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"

[verify]
input = "../../datasets/samples/00.png"

[calibration]
dataset = "samples"

[deploy]
quant_input = true

[variant.int8]
quantize = "INT8"

[variant.mix]
quantize = "INT8"
qtable = { expected_cos = 0.9999, min_layer_cos = 0.9999 }
"""


def write(root: Path, models: int) -> None:
    """Write a project with a number of models, named m0000 and so on."""
    (root / "datasets" / "samples").mkdir(parents=True)
    (root / "dodo.py").write_text(DODO, encoding="utf-8")
    (root / "pyproject.toml").write_text(_PYPROJECT, encoding="utf-8")
    (root / "datasets" / "samples" / "dataset.toml").write_text(_DATASET, encoding="utf-8")
    for number in range(_SAMPLES):
        shutil.copy(TINY / "images" / f"{number:02}.png", root / "datasets" / "samples")
    for number in range(models):
        folder = root / "models" / f"m{number:04}"
        folder.mkdir(parents=True)
        shutil.copy(TINY / "tiny.onnx", folder)
        (folder / "model.toml").write_text(_MODEL, encoding="utf-8")


def add_launcher(root: Path) -> Path:
    """Give a project the launcher, ready to start with this checkout's environment; return its path."""
    environment = root / ".venv"
    (environment / "cvimake").mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(Path(sys.prefix) / part)
    # The launcher leaves the environment like this when it has installed everything.
    (environment / "cvimake" / "place").write_text(f"{root.resolve()}\n", encoding="utf-8")
    shutil.copy(root / "pyproject.toml", environment / "cvimake")
    return Path(shutil.copy(CHECKOUT / "doit", root))


def tasks(root: Path) -> list[dict[str, Any]]:
    """Return a project's whole graph, as doit gets it, without what only runs if it is named."""
    with working_in(root):
        _, task_toolchain, task_models = dodo.graph(str(root / "dodo.py"))
        return [task for task in (*task_toolchain(), *task_models()) if isinstance(task, dict)]


@contextlib.contextmanager
def graph_of(root: Path) -> Iterator[tuple[dict[str, DoitTask], Dependency]]:
    """Give a project's tasks by their names, as doit sees them, and its records.

    Args:
        root: the project's folder, in which the process is.
    """
    Path("build").mkdir(exist_ok=True)
    config, task_toolchain, task_models = dodo.graph(str(root / "dodo.py"))
    tasks = [*generate_tasks("toolchain", task_toolchain()), *generate_tasks("models", task_models())]
    with contextlib.closing(
        Dependency(Records, config["dep_file"], config["check_file_uptodate"])
    ) as records:
        yield TaskControl(tasks).tasks, records


def mark_done(root: Path, content: Callable[[Path], str] | None = None) -> None:
    """Make every task up to date without running it: write small targets, and its record.

    `doit reset-dep` does not write the values that a task's `uptodate` needs.

    Args:
        root: the project's folder.
        content: gives the content of a target, and each task has a history too; None for contents that only
            differ, without a history.
    """
    history = History(HISTORY) if content else None
    content = content or _content
    with working_in(root), graph_of(root) as (known, records):
        for target in (Path(target) for task in known.values() for target in task.targets):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content(target), encoding="utf-8")
        for task in known.values():
            # Works out what is to be remembered.
            records.get_status(task, known)
            task.save_extra_values()
            task.values[OUTPUTS] = {target: records.checker.contents.state(target) for target in task.targets}
            inputs = {path: records.checker.contents.state(path) for path in task.file_dep}
            with records.checker.as_before(inputs):
                records.save_success(task)
            if history and task.actions:
                staleness.record(history, task, (), {path: state[-1] for path, state in inputs.items()})
        if history:
            history.close()


def _content(target: Path) -> str:
    """Return contents that no other file has; those of the files in the final table can be read."""
    if target.name == TOOLCHAIN.name:
        return "{}\n"
    if not target.name.endswith("_info.json"):
        return f"# {target}\n"
    return Info(
        compiler="1.7",
        format="1.4",
        name=target.parent.name,
        built="2024-01-01 00:00:00",
        processor="cv181x",
        ion_memory=0.1,
        sections=(),
        weights=(),
        inputs=(),
        outputs=(),
        size=1000,
        similarity=(),
        recognised_as="",
        recognition=Recognition(as_="", type=None),
    ).model_dump_json(by_alias=True)


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a project's folder: its paths are relative to the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
