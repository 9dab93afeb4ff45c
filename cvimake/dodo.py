"""What a project's `dodo.py` takes from cvimake: its whole graph, in three lines.

from cvimake.dodo import *

DOIT_CONFIG, task_toolchain, task_models = graph(__file__)
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cvimake.builder.tasks import Task, doit_config, open_project
from cvimake.pipeline import calibration, cvimodel, info, mlir, onnx, qtable
from cvimake.pipeline.stage import StageOf

__all__ = ["graph"]

STAGES = (
    onnx.stages,
    mlir.stages,
    calibration.stages,
    qtable.stages,
    cvimodel.stages,
    info.stages,
)


Graph = tuple[dict[str, Any], Callable[[], Iterator[Task]], Callable[[], Iterator[Task]]]


def graph(dodo_file: str, stages: Sequence[StageOf] = STAGES) -> Graph:
    """The settings for doit, the toolchain's tasks, and all models' tasks of the project of a `dodo.py`."""
    # What is made until all tasks are known stays to the end. With many models, looking for garbage among it
    # again and again would take longer than everything else here.
    gc.disable()
    project = open_project(dodo_file)

    def task_toolchain() -> Iterator[Task]:
        """The image that every step runs in, and the one that some networks are read in."""
        yield project.toolchain_task()
        if project.takes_frameworks:
            yield project.frameworks_task()

    def task_models() -> Iterator[Task]:
        """Every stage of every model."""
        for model in project.buildable:
            yield from project.tasks(model, stages)
        for unbuildable in project.unbuildable.values():
            yield from project.standing_for(unbuildable)
        gc.freeze()
        gc.enable()

    return doit_config(project), task_toolchain, task_models
