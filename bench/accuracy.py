"""Measures an accuracy stage: against the simulator's own time, and in two processes against one."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Result, Runs, Scale, Unit, in_turns, timed
from bench.metered import Taken, metered, stages
from cvimake.core.action import Action, FileKind, Output, Text
from cvimake.execution.runtime import Runtimes
from cvimake.pipeline.stages import accuracy
from cvimake.toolchain import commands

REPEATS = 3
STAGE = "shapes:int8_accuracy"
# The largest allowed time: in one process, as a fraction of the simulator's own; in two, of one process.
WHOLE, HALVED = 1.1, 1 / 1.8
# Computes as many images as the stage. The cvimodel is loaded once.
_PROGRAM = """
import json, pyruntime_cvi
options = json.load(open("options.json"))
model = pyruntime_cvi.Model(options["cvimodel"], output_all_tensors=False)
for tensor in model.inputs:
    tensor.data.reshape(-1)[:] = 114
for image in options["images"]:
    model.forward()
json.dump({}, open("out.json", "w"))
"""


def run(scratch: Path, repeats: int = REPEATS, root: Path = project.CHECKOUT) -> Iterator[Result]:
    """Measure the accuracy stage of the bundled detector, after building its inputs.

    Args:
        scratch: the folder for the results.
        repeats: how often each is run.
        root: the project's folder.
    """
    (action,) = (stage.action for stage in stages(root, accuracy.stages) if stage.action.name == STAGE)
    timed(
        [
            sys.executable,
            "-m",
            "cvimake.cli",
            *(str(file.path) for file in action.inputs if _is_built(file.path)),
        ],
        root,
    )
    ours = dataclasses.replace(
        action,
        name="bench:accuracy",
        outputs=tuple(dataclasses.replace(file, path=scratch / file.name) for file in action.outputs),
    )
    runtimes = Runtimes(root, os.environ)

    def once(of: Action, processes: int) -> Taken:
        return metered(of, runtimes.plain().sandbox, processes)

    with project.working_in(root):
        taken = in_turns(
            {
                "alone": lambda: once(_alone(action, scratch), 1),
                "one": lambda: once(ours, 1),
                "two": lambda: once(ours, 2),
            },
            repeats,
        )
    processor = {side: Runs(tuple(each.processor for each in of_side)) for side, of_side in taken.items()}
    seconds = {side: Runs(tuple(each.seconds for each in of_side)) for side, of_side in taken.items()}
    one = _result(1, processor["one"], "the simulator alone", processor["alone"], WHOLE)
    yield dataclasses.replace(one, unit=Unit.PROCESSOR_SECONDS)
    yield _result(2, seconds["two"], "one process", seconds["one"], HALVED)


def _alone(action: Action, scratch: Path) -> Action:
    """Return an action in which the simulator computes as many images as an accuracy stage."""
    return dataclasses.replace(
        action,
        name="bench:simulator",
        argv=(*commands.DETERMINISTIC, "python3", "simulate.py"),
        outputs=(Output(name="out.json", path=scratch / "out.json", kind=FileKind.JSON),),
        texts=(*action.texts, Text(name="simulate.py", text=_PROGRAM)),
    )


def _result(processes: int, ours: Runs, against: str, theirs: Runs, bound: float) -> Result:
    return Result(
        benchmark="accuracy",
        figure=STAGE,
        scale=Scale(processes, "process"),
        ours=ours,
        against=against,
        theirs=theirs,
        bound=bound,
    )


def _is_built(path: Path) -> bool:
    return path.parts[0] == "build"
