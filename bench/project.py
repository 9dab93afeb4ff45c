"""Projects to measure with: any number of equal models, optionally with everything in them up to date."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import doit
from doit.control import TaskControl
from doit.dependency import Dependency
from doit.loader import generate_tasks

from cvimake import dodo
from cvimake.commands.new import DODO
from cvimake.conclusions import Info
from cvimake.content import CONTENTS, OUTPUTS
from cvimake.device import Recognition
from cvimake.records import Records

CHECKOUT = Path(__file__).resolve().parent.parent
TINY = CHECKOUT / "tests" / "models" / "tiny"
# onnx, mlir, calibration, int8, int8_info, mix_qtable, mix, mix_info, and the model itself.
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
# The same tasks in doit's own words and with its own checker. They do nothing, and that before anything is
# measured.
_PLAIN_DODO = """\
import json

DOIT_CONFIG = {"backend": "sqlite3", "dep_file": "build/plain.sqlite"}


def done():
    pass


def task_all():
    with open("build/graph.json", encoding="utf-8") as file:
        tasks = json.load(file)
    for task in tasks:
        if "targets" in task:
            task["actions"] = [done]
        yield task
"""


def write(root: Path, models: int) -> None:
    """Writes a project with so many models, named m0000 and on."""
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
    """Gives a project the launcher, ready to start with this checkout's environment; returns it."""
    environment = root / ".venv"
    (environment / "cvimake").mkdir(parents=True)
    (environment / "bin").symlink_to(Path(sys.prefix) / "bin")
    # As the launcher leaves it when it has installed everything.
    (environment / "cvimake" / "place").write_text(f"{root.resolve()}\n", encoding="utf-8")
    shutil.copy(root / "pyproject.toml", environment / "cvimake")
    return Path(shutil.copy(CHECKOUT / "doit", root))


def tasks(root: Path) -> list[dict[str, Any]]:
    """A project's whole graph, as it is given to doit."""
    with working_in(root):
        _, task_toolchain, task_models = dodo.graph(str(root / "dodo.py"))
        return [*task_toolchain(), *task_models()]


def mark_done(root: Path) -> None:
    """Makes every task up to date without running it: its targets with small contents, and its record.

    `doit reset-dep` leaves out what a task's `uptodate` wants remembered.
    """
    with working_in(root):
        config, task_toolchain, task_models = dodo.graph(str(root / "dodo.py"))
        graph = [*generate_tasks("toolchain", task_toolchain()), *generate_tasks("models", task_models())]
        known = TaskControl(graph).tasks
        for target in (Path(target) for task in graph for target in task.targets):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_content(target), encoding="utf-8")
        records = Dependency(Records, config["dep_file"], config["check_file_uptodate"])
        for task in graph:
            # Works out what is to be remembered.
            records.get_status(task, known)
            task.save_extra_values()
            task.values[OUTPUTS] = {target: CONTENTS.state(target) for target in task.targets}
            records.save_success(task)
        records.close()


def commands(root: Path) -> tuple[list[str], list[str]]:
    """What builds a project where everything is up to date: our launcher, and doit alone.

    Raises:
        RuntimeError: one of them has something to do; then it would be something else that is measured.
    """
    ours = [str(add_launcher(root))]
    plain = [str(add_plain_doit(root)), "-m", "doit", "-f", add_plain_graph(root).name]
    # The records of doit alone come from a run: its tasks do nothing.
    _output(plain, root)
    built, unchanged = _output(ours, root).splitlines()[-1].split(", ")
    if built != "0 built":
        raise RuntimeError(f"not everything is up to date: {built}")
    up_to_date = _output(plain, root).count("-- ")
    if unchanged != f"{up_to_date} unchanged":
        raise RuntimeError(f"{unchanged}, and doit alone has {up_to_date} tasks that are up to date")
    return ours, plain


def _output(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def add_plain_graph(root: Path) -> Path:
    """Adds the graph of a project as doit alone would have it, over the same files; returns its `dodo.py`."""
    kept = ("basename", "name", "doc", "file_dep", "targets", "task_dep")
    graph = [{key: task[key] for key in kept if key in task} for task in tasks(root)]
    for task in graph:
        if "targets" in task and "file_dep" not in task:
            # The toolchain's: doit takes what depends on nothing for stale.
            task["uptodate"] = [True]
    (root / "build" / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    dodo_file = root / "plain_dodo.py"
    dodo_file.write_text(_PLAIN_DODO, encoding="utf-8")
    return dodo_file


def add_plain_doit(root: Path) -> Path:
    """Adds an environment with doit and nothing else, so no plugins of ours either; returns its Python."""
    environment = root / ".plain"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "doit").symlink_to(Path(doit.__file__).parent)
    return environment / "bin" / "python"


def _content(target: Path) -> str:
    """A file's own name: no two are equal. What the final table reads has to be readable."""
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
    """A project's paths are meant from the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
