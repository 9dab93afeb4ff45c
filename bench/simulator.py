"""Measures one image on the simulator, with the library that does its slowest work and without."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import project
from bench.measure import Result, Runs, Unit, in_turns, timed
from cvimake.core.action import Action, FileKind, Input, Limits, Output, Text
from cvimake.execution.runtime import Runtimes
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stages import cvimodel
from cvimake.project import read_declarations
from cvimake.toolchain import commands

REPEATS = 3
# The bounds, as a fraction of the time that the simulator takes without the library.
BOUNDS = {"INT8": 1 / 3.5, "F16": 1 / 8, "BF16": 1 / 8}
_OURS, _ALONE = "ours", "alone"
_, _OFF = commands.SIMULATOR_VARIABLES
# Runs the first image of a process, so that the check of the library counts too.
_PROGRAM = """
import hashlib, json, time, numpy, pyruntime_cvi
model = pyruntime_cvi.Model("net.cvimodel", output_all_tensors=False)
draw = numpy.random.default_rng(0)
for tensor in model.inputs:
    given = tensor.data.reshape(-1)
    given[:] = draw.integers(0, 100, given.size).astype(given.dtype)
started = time.process_time()
model.forward()
taken = time.process_time() - started
outputs = b"".join(numpy.array(tensor.data).tobytes() for tensor in model.outputs)
json.dump([taken, hashlib.sha256(outputs).hexdigest()], open("out.json", "w"))
"""


def run(scratch: Path, repeats: int = REPEATS, root: Path = project.CHECKOUT) -> Iterator[Result]:
    """Measure every cvimodel of a project, after building it.

    Args:
        scratch: an empty folder.
        repeats: how often each is run.
        root: the project's folder.

    Raises:
        RuntimeError: the outputs differ.
    """
    root = root.resolve()
    with project.working_in(root):
        models = [model for model in read_declarations(Path()).models.values() if not model.missing]
        declared = {
            stage.action.outputs[0].path: (stage.action.name, stage.outcome)
            for model in models
            for stage in cvimodel.stages(model)
        }
        timed([sys.executable, "-m", "cvimake.cli", *map(str, declared)], root)
        plain = Runtimes(root, os.environ).plain().sandbox
        for path, (name, outcome) in declared.items():
            runs = in_turns(
                {
                    _OURS: _running(plain, path, scratch, {}),
                    _ALONE: _running(plain, path, scratch, {_OFF: "1"}),
                },
                repeats,
            )
            if len({digest for of_side in runs.values() for _, digest in of_side}) > 1:
                raise RuntimeError(f"{name}: the outputs with the library and without it differ")
            ours, alone = (Runs(tuple(taken for taken, _ in runs[side])) for side in (_OURS, _ALONE))
            yield Result(
                benchmark="simulator",
                figure=f"one image of {name}",
                ours=ours,
                against="the simulator alone",
                theirs=alone,
                unit=Unit.PROCESSOR_SECONDS,
                bound=BOUNDS.get(getattr(outcome, "quantize", "")),
            )


def _running(
    plain: Sandbox, path: Path, scratch: Path, variables: dict[str, str]
) -> Callable[[], tuple[float, str]]:
    """Return a function that runs a cvimodel once; it returns processor seconds and the outputs' digest."""
    sandbox = Sandbox(
        root=plain.root, engine=plain.engine, image=plain.image, contents=plain.contents, variables=variables
    )
    result = scratch / "out.json"
    action = Action(
        name="bench:simulator",
        argv=(*commands.DETERMINISTIC, "python3", "simulate.py"),
        environment=commands.simulator_environment(),
        inputs=(Input(name="net.cvimodel", path=path),),
        outputs=(Output(name="out.json", path=result, kind=FileKind.JSON),),
        texts=(Text(name="simulate.py", text=_PROGRAM),),
        limits=Limits(seconds=1200.0),
    )
    return functools.partial(_once, sandbox, action, result)


def _once(sandbox: Sandbox, action: Action, result: Path) -> tuple[float, str]:
    sandbox.run(action)
    taken, digest = json.loads(result.read_text(encoding="utf-8"))
    return taken, digest
