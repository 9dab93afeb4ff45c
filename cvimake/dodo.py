"""The function that gives a project's `dodo.py` all its tasks.

from cvimake.dodo import *

DOIT_CONFIG, task_toolchain, task_models = graph(__file__)
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cvimake.builder.build import Build
from cvimake.builder.tasks import AnyTask, Project, Task, doit_config
from cvimake.core import terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError
from cvimake.pipeline.stage import StageOf
from cvimake.pipeline.stages import accuracy, calibration, cvimodel, info, mlir, onnx, preview, qtable

__all__ = ["graph"]

STAGES = (
    onnx.stages,
    mlir.stages,
    calibration.stages,
    qtable.stages,
    cvimodel.stages,
    info.stages,
    accuracy.stages,
    preview.stages,
)


Graph = tuple[dict[str, Any], Callable[[], Iterator[Task]], Callable[[], Iterator[AnyTask]]]


def graph(dodo_file: str, stages: Sequence[StageOf] = STAGES) -> Graph:
    """Return the settings for doit, and the functions that make the tasks of a project.

    Nothing is read or printed before doit asks for the tasks. A wrong declaration then ends the program.

    Args:
        dodo_file: the path of the project's `dodo.py`.
        stages: for each kind of stage, a function that makes a model's stages of that kind.
    """
    # doit imports a project's `dodo.py`, so no command of ours can hand the variables to it.
    project = Project(Build(Path(dodo_file).resolve().parent, dict(os.environ)))

    def task_toolchain() -> Iterator[Task]:
        """Make the images that stages run in."""
        # All objects made until the tasks are known stay to the end. With many models, the garbage collector
        # would search them again and again, which takes longer than everything else here.
        gc.disable()
        _read(project)
        yield project.toolchain_task()
        if project.takes_frameworks:
            yield project.frameworks_task()
        if project.takes_export:
            yield project.export_task()

    def task_models() -> Iterator[AnyTask]:
        """Make the tasks of all models."""
        for model in project.buildable:
            yield from project.tasks(model, stages)
        for unbuildable in project.unbuildable.values():
            yield from project.standing_for(unbuildable)
        gc.freeze()
        gc.enable()

    return doit_config(project), task_toolchain, task_models


def _read(project: Project) -> None:
    """Read the project; end the program with a message and an exit code if a declaration is wrong."""
    try:
        project.read()
    except (CvimakeError, OSError) as error:
        terminal.complain(error)
        code = error.exit_code if isinstance(error, CvimakeError) else EXIT_NOT_POSSIBLE
        raise SystemExit(code) from error
