"""The `dodo.py` of a project whose only stage sleeps. The stage is called after the project's folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from lab import ASLEEP

from cvimake.builder.build import Build
from cvimake.builder.tasks import Project, Task, doit_config
from cvimake.core.action import Action, FileKind, Output
from cvimake.pipeline.estimates import LISTING
from cvimake.pipeline.stage import Stage
from cvimake.toolchain import commands

project = Project(Build(Path(__file__).resolve().parent, dict(os.environ)))
DOIT_CONFIG = {**doit_config(project), "default_tasks": None}


def task_toolchain() -> Task:
    return project.toolchain_task()


def task_sleeper() -> Iterator[Task]:
    action = Action(
        name=f"sleeper:{Path.cwd().name}",
        argv=(*commands.DETERMINISTIC, "python3", "-c", f"print('asleep'); {ASLEEP}"),
        environment=commands.environment(),
        inputs=(),
        outputs=(Output(name="out.json", path=Path("build/out.json"), kind=FileKind.JSON),),
    )
    yield project.task(Stage(action=action, load=LISTING))
