"""The task graph: the stages of every model, as doit tasks between files.

    ./doit                    everything that is stale
    ./doit list --all         what there is
    ./doit MODEL[:STAGE]      one model, or one of its stages and what it needs

source ─ mlir ─┬─ calibration ─ qtable ─┐
               └────────────────────────┴─ VARIANT ─ info
"""  # fmt: skip

from collections.abc import Iterator

from cvimake import pipeline
from cvimake.tasks import Task, doit_config, open_project

project = open_project(__file__)
DOIT_CONFIG = doit_config(project)


def task_toolchain() -> Task:
    """The image that every step runs in."""
    return project.toolchain_task()


def task_models() -> Iterator[Task]:
    """Every stage of every model."""
    stages = (
        pipeline.mlir,
        pipeline.calibration,
        pipeline.qtable,
        pipeline.cvimodel,
        pipeline.info,
    )
    for model in project.models:
        yield from project.tasks(model, stages)
