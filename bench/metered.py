"""Measures a container program that stands in for a tool of the toolchain, in one process and in two.

All run in the same sandbox, in turns, on the same files. Times are measured inside of the container, so that
its start does not count.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from bench import project
from bench.measure import Result, Runs, Scale, Unit, in_turns, timed
from cvimake.core.action import Action, FileKind, Output, Text
from cvimake.core.capacity import Share
from cvimake.core.paths import BUILD
from cvimake.execution.runtime import Runtimes
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel, read_declarations
from cvimake.toolchain import commands

PROJECTED = (4, 8, 16)
# In the place of a number of processes: the toolchain's own program, and the least that has to be done.
_TOOL, _LEAST = 0, -1
_MARK = "MEASURED "
# Runs a command, and then prints the time and the memory that it and all its processes took.
_METER = f"""
import json, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
taken = [time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
print("\\n{_MARK}" + json.dumps(taken), flush=True)
sys.exit(code)
"""
# Computes a network once for each sample, in float. Every calibration has to do that.
_NETWORK_ALONE = """
import json, sys
import numpy, pymlir
network, samples = sys.argv[1:]
module = pymlir.module()
module.load(network)
for name in module.input_names:
    draw = numpy.random.default_rng(0)
    module.set_tensor(name, draw.random(module.get_tensor(name).shape, numpy.float32))
for _ in range(int(samples)):
    module.invoke()
json.dump({}, open("out.json", "w"))
"""
# Runs a program, and then prints the seconds that it spent in the interpreter's operators.
_OPERATORS_ALONE = f"""
import json, runpy, sys, time
import pymlir
taken = 0.0
def timed(method):
    def call(*arguments):
        global taken
        started = time.perf_counter()
        try:
            return method(*arguments)
        finally:
            taken += time.perf_counter() - started
    return call
class Module(pymlir.module):
    invoke, invoke_at, invoke_from = map(
        timed, (pymlir.module.invoke, pymlir.module.invoke_at, pymlir.module.invoke_from)
    )
pymlir.module = Module
del sys.argv[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("\\n{_MARK}" + json.dumps([taken, taken, 0]), file=sys.stderr, flush=True)
"""


class Least(Enum):
    """The least that a program could do."""

    NETWORK = "the network alone, once for each sample"
    OPERATORS = "the operators that it computes, alone"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A program of the toolchain, and the container program that stands in for it.

    Attributes:
        benchmark: the benchmark that its results belong to.
        name: the toolchain's program, without `.py`.
        stand_in: the file of the container program, as the stage's command line has it.
        bounds: the largest allowed time, as a fraction of the program's, by the number of processes.
        least: the least that it could do, which is measured too.
    """

    benchmark: str
    name: str
    stand_in: str
    bounds: Mapping[int, float]
    least: Least


@dataclasses.dataclass(frozen=True)
class Taken:
    """The figures of one run: seconds, processor seconds of all processes, and MiB of the largest one."""

    seconds: float
    processor: float
    memory: float


def stages(root: Path, stage_of: Callable[[DeclaredModel], Iterator[Stage]]) -> list[Stage]:
    """Return all stages of a kind in a project whose sources are there."""
    with project.working_in(root):
        models = read_declarations(Path()).models.values()
        return [stage for model in models if not model.missing for stage in stage_of(model)]


def build_inputs(action: Action, root: Path) -> None:
    """Build the inputs of an action that other stages of its project write."""
    built = [str(file.path) for file in action.inputs if BUILD in file.path.parents]
    timed([sys.executable, "-m", "cvimake.cli", *built], root)


def of_program(action: Action, name: str, text: str, output: Output, *arguments: str) -> Action:
    """Return an action that runs another Python program with the files of an action.

    Args:
        action: the action.
        name: of the program's file.
        text: of the program.
        output: the file that it writes.
        arguments: of the program.
    """
    start = action.argv.index("python3")
    return dataclasses.replace(
        action,
        name=f"bench:{name.removesuffix('.py')}",
        argv=(*action.argv[:start], "python3", name, *arguments),
        outputs=(output,),
        texts=(*action.texts, Text(name=name, text=text)),
        parts="",
    )


def compare(program: Program, root: Path, stage: Stage, scratch: Path, repeats: int) -> Iterator[Result]:
    """Measure a stage of a project, after building its inputs.

    Args:
        program: the program, and the one that stands in for it.
        root: the project's folder.
        stage: the name of the stage.
        scratch: the folder for the results.
        repeats: how often each is run.

    Raises:
        RuntimeError: the program and its stand-in made different tables.
    """
    build_inputs(stage.action, root)
    # The action gets a name of its own, so that the project keeps the stage's log.
    action = dataclasses.replace(
        stage.action,
        name=f"bench:{stage.action.name.replace(':', '_')}",
        outputs=tuple(
            dataclasses.replace(output, path=scratch / output.name) for output in stage.action.outputs
        ),
    )
    tables = [output.path for output in action.outputs if output.kind is FileKind.TABLE]
    made: set[tuple[bytes, ...]] = set()
    # Each sample can keep a core busy.
    samples = stage.load.cores

    def once(processes: int) -> Taken:
        if processes == _LEAST:
            return least_of[program.least](runtimes.plain().sandbox)
        taken = _run(action, runtimes.plain().sandbox, program, processes)
        made.add(tuple(path.read_bytes() for path in tables))
        return taken

    least_of = {
        Least.NETWORK: functools.partial(metered, _network_alone(action, samples, scratch), processes=1),
        Least.OPERATORS: functools.partial(_operators_alone, action, stand_in=program.stand_in),
    }
    runtimes = Runtimes(root, os.environ)
    with project.working_in(root):
        counts = (_TOOL, *sorted(program.bounds), _LEAST)
        runs = in_turns({count: functools.partial(once, count) for count in counts}, repeats)
    if len(made) > 1:
        raise RuntimeError(
            f"{stage.action.name}: {program.name} and {program.stand_in} made different tables"
        )
    yield from results(program, stage.action.name, runs, samples)


def results(
    program: Program, name: str, runs: Mapping[int, tuple[Taken, ...]], samples: int
) -> Iterator[Result]:
    """Return the results of the runs.

    Args:
        program: the program, and the one that stands in for it.
        name: the name of the stage.
        runs: the runs of the program, of its stand-in in 1 and 2 processes, and of the least that it could
            do.
        samples: the number of samples that are shared out to processes.
    """

    def result(of: Callable[[Taken], float], processes: int, unit: Unit = Unit.SECONDS) -> Result:
        ours, theirs = (Runs(tuple(map(of, runs[count]))) for count in (processes, _TOOL))
        return Result(
            benchmark=program.benchmark,
            figure=name,
            scale=Scale(processes, "process"),
            ours=ours,
            against=program.name,
            theirs=theirs,
            unit=unit,
        )

    times = [result(lambda taken: taken.seconds, processes) for processes in sorted(program.bounds)]
    for processes, found in zip(sorted(program.bounds), times, strict=True):
        yield dataclasses.replace(found, bound=program.bounds[processes])
    one, two = (statistics.median(taken.seconds for taken in runs[count]) for count in (1, 2))
    for processes in PROJECTED:
        yield dataclasses.replace(
            times[0],
            scale=Scale(processes, "process"),
            ours=Runs((projected(one, two, samples, processes),)),
            projected=True,
        )
    for processes in sorted(program.bounds):
        yield result(lambda taken: taken.processor, processes, Unit.PROCESSOR_SECONDS)
    for processes in sorted(program.bounds):
        yield result(lambda taken: taken.memory, processes, Unit.MEBIBYTES)
    least = Runs(tuple(taken.seconds for taken in runs[_LEAST]))
    yield dataclasses.replace(times[0], against=program.least.value, theirs=least)


def projected(one: float, two: float, samples: int, processes: int) -> float:
    """Return the seconds with a number of processes on as many cores, from those with one and with two.

    The parallel part takes as long as the process with the most samples.
    """
    shared = max(0.0, one - two) / (1 - math.ceil(samples / 2) / samples) if samples > 1 else 0.0
    return max(0.0, one - shared) + min(one, shared) * math.ceil(samples / processes) / samples


def _run(action: Action, sandbox: Sandbox, program: Program, processes: int) -> Taken:
    """Run the stage in a number of processes, or the toolchain's own program."""
    if processes == _TOOL:
        tool = f"{commands.ROOT}/python/tools/{program.name}.py"
        argv = tuple(tool if part == program.stand_in else part for part in action.argv)
        # Without our library, which is a part of what is measured.
        action = dataclasses.replace(action, argv=argv, environment=commands.environment())
    return metered(action, sandbox, max(1, processes))


def _network_alone(action: Action, samples: int, scratch: Path) -> Action:
    """Return an action that computes the network of a calibration once for each sample."""
    (network,) = (part for part in action.argv if part.endswith(".mlir"))
    nothing = Output(name="out.json", path=scratch / "out.json", kind=FileKind.JSON)
    return of_program(action, "alone.py", _NETWORK_ALONE, nothing, network, str(samples))


def metered(action: Action, sandbox: Sandbox, processes: int, key: str = "") -> Taken:
    """Run an action whose command is a Python program, in a number of processes; return what it took.

    Args:
        action: the action.
        sandbox: runs it.
        processes: how many it may use.
        key: under which parts of its work lie; empty if it gets none.
    """
    start = action.argv.index("python3")
    argv = (*action.argv[:start], "python3", "-c", _METER, *action.argv[start:])
    return _run_marked(dataclasses.replace(action, argv=argv), sandbox, processes, key)


def _operators_alone(action: Action, sandbox: Sandbox, stand_in: str) -> Taken:
    """Run an action; return what the interpreter's operators took in its container program."""
    start = action.argv.index(stand_in)
    return _run_marked(
        dataclasses.replace(
            action,
            argv=(*action.argv[:start], "operators_alone.py", *action.argv[start:]),
            texts=(*action.texts, Text(name="operators_alone.py", text=_OPERATORS_ALONE)),
        ),
        sandbox,
        processes=1,
    )


def _run_marked(action: Action, sandbox: Sandbox, processes: int, key: str = "") -> Taken:
    """Run an action that prints what it took; return that."""
    key_of = (lambda _states: key) if key else None
    sandbox.run(action, share=Share(cores=processes), key=key_of)
    log = sandbox.log_path(action).read_text(encoding="utf-8", errors="replace")
    return Taken(*json.loads(log.rpartition(_MARK)[2].splitlines()[0]))
