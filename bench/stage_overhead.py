"""Measure the overhead of a stage: `./doit` of one stage against its tool in a bare container."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, alternate, timed
from cvimake.core.action import Action
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import WORKSPACE
from cvimake.pipeline.stages import mlir
from cvimake.project import read_declarations
from cvimake.toolchain import commands

REPEATS = 11
# In seconds.
BOUND = 0.7


def run(scratch: Path, repeats: int = REPEATS) -> Iterator[Result]:
    """Measure it in an empty folder, `repeats` times."""
    project.write(scratch, models=1)
    launcher = project.add_launcher(scratch)
    with project.working_in(scratch):
        (model,) = read_declarations(Path()).models.values()
        (stage,) = mlir.stages(model)
    image_id = making.ensure(
        DockerEngine(connection.ensure(os.environ), os.environ),
        Recipe.from_environment(os.environ),
        scratch,
        os.environ,
    ).id
    build = functools.partial(_build, [str(launcher), stage.action.name], stage.action, scratch)
    build()
    times = alternate(
        {"ours": build, "bare": functools.partial(_bare, image_id, stage.action, scratch)}, repeats
    )
    yield Result(
        benchmark="stage-overhead",
        figure="./doit MODEL:mlir",
        ours=times["ours"],
        against="docker run model_transform",
        theirs=times["bare"],
        comparison=Comparison.DIFFERENCE,
        bound=BOUND,
    )


def _build(command: list[str], action: Action, root: Path) -> float:
    (root / action.outputs[0].path).unlink(missing_ok=True)
    return timed(command, root)


def _bare(image_id: str, action: Action, root: Path) -> float:
    """Run the tool with the same arguments, environment and files, without isolation; return the seconds."""
    with tempfile.TemporaryDirectory(dir=root) as name:
        for file in action.inputs:
            shutil.copy(root / file.path, Path(name) / file.name)
        command = [
            *("docker", "run", "--rm", "--user", f"{os.geteuid()}:{os.getegid()}"),
            *("--volume", f"{name}:{WORKSPACE}", "--workdir", WORKSPACE),
            *(part for key, value in action.environment.items() for part in ("--env", f"{key}={value}")),
            *(image_id, *action.argv[len(commands.DETERMINISTIC) :]),
        ]
        return timed(command, root)
