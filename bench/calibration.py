"""The calibration in one and in two processes against the toolchain's own, for the models of a project."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, alternate
from cvimake import announce, pipeline, toolchain
from cvimake.action import Action
from cvimake.load import Share, granted
from cvimake.resources import checkout
from cvimake.runtime import Runtime
from cvimake.sandbox import Sandbox
from cvimake.spec import read_declarations

REPEATS = 3
# The original's time, times this, is what two processes and one may take at most.
BOUNDS = {2: 1 / 1.9, 1: 1.0}
PROJECTED = (4, 8, 16)
_ORIGINAL = "run_calibration"
_MARK = "MEASURED "
# Runs a command, and then says what it and all its processes took.
_METER = f"""
import json, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
taken = [time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
print("\\n{_MARK}" + json.dumps(taken), flush=True)
sys.exit(code)
"""


@dataclasses.dataclass(frozen=True)
class Taken:
    """What one run took: seconds, processor seconds of all processes, and MiB of the largest one."""

    seconds: float
    processor: float
    memory: float


def run(scratch: Path, root: Path | None = None) -> Iterator[Result]:
    """Measures it.

    Args:
        scratch: an empty folder.
        root: of the project with the models; by default this checkout.
    """
    root = (root or checkout() or Path()).resolve()
    with project.working_in(root):
        models = [model for model in read_declarations(Path()).models.values() if not model.missing]
        for model in models:
            for stage in pipeline.calibration(model):
                subprocess.run([sys.executable, "-m", "doit", f"{model.name}:mlir"], check=True)
                table = dataclasses.replace(stage.action.outputs[0], path=scratch / "table")
                yield from _measure(
                    model.name, dataclasses.replace(stage.action, outputs=(table,)), Runtime.of(root).sandbox
                )


def _measure(name: str, action: Action, sandbox: Sandbox) -> Iterator[Result]:
    taken: dict[int, list[Taken]] = {0: [], **{processes: [] for processes in BOUNDS}}
    tables: set[bytes] = set()

    def once(processes: int) -> float:
        found = _once(action, sandbox, processes)
        taken[processes].append(found)
        tables.add((sandbox.root / action.outputs[0].path).read_bytes())
        return found.seconds

    times = alternate({str(processes): functools.partial(once, processes) for processes in taken}, REPEATS)
    if len(tables) > 1:
        raise RuntimeError(f"{name}: the tables differ")
    for processes, runs in taken.items():
        who = f"processes: {processes}" if processes else _ORIGINAL
        processor = sorted(each.processor for each in runs)[len(runs) // 2]
        memory = max(each.memory for each in runs)
        announce.note(f"{name}, {who}: {processor:.1f} processor seconds, {memory:.0f} MiB in the largest")
    one, two, original = (times[key].median for key in ("1", "2", "0"))
    share = serial_share(one, two)
    projected = ", ".join(
        f"{count}: {original / projection(one, share, count):.1f} times as fast" for count in PROJECTED
    )
    announce.note(f"{name}: {share:.0%} is serial; projected for more processes: {projected}")
    for processes, bound in BOUNDS.items():
        yield Result(
            benchmark="calibration",
            figure=f"{name}, processes: {processes}",
            times=times[str(processes)],
            against=_ORIGINAL,
            against_times=times["0"],
            comparison=Comparison.RATIO,
            bound=bound,
        )


def serial_share(one: float, two: float) -> float:
    """Which part of the time a second process did not halve."""
    return min(1.0, max(0.0, 2 * two / one - 1))


def projection(one: float, share: float, processes: int) -> float:
    """Seconds with so many processes, on as many cores, by Amdahl's law."""
    return one * (share + (1 - share) / processes)


def _once(action: Action, sandbox: Sandbox, processes: int) -> Taken:
    """Calibrates with so many processes; with none, by the toolchain's own tool."""
    argv = list(action.argv)
    start = argv.index("python3")
    if not processes:
        argv[start + 1] = f"{toolchain.ROOT}/python/tools/{_ORIGINAL}.py"
    metered = (*argv[:start], "python3", "-c", _METER, *argv[start:])
    with granted(Share(cores=max(1, processes))):
        sandbox.run(dataclasses.replace(action, argv=metered))
    log = sandbox.log_path(action).read_text(encoding="utf-8", errors="replace")
    return Taken(*json.loads(log.rpartition(_MARK)[2].splitlines()[0]))
