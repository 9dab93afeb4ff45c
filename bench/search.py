"""The search for a qtable: the toolchain's own, against ours in one process and in two.

All run in the same image, in turns, on the same files: those of a stage whose inputs are built.
"""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, Times, timed
from cvimake import announce, image, pipeline, toolchain
from cvimake.action import GIBIBYTE, Action
from cvimake.engine import connection
from cvimake.engine.docker import DockerEngine
from cvimake.recipe import Recipe
from cvimake.sandbox import WORKSPACE
from cvimake.spec import read_declarations
from cvimake.steps.process_group import PROCESSES

DEFAULT = f"{project.CHECKOUT}:shapes:mix_qtable"
REPEATS = 3
# At least 1.6 times as fast with two processes; no slower with one.
BOUNDS = {1: 1.0, 2: 1 / 1.6}
# What the tool takes where nothing else is said.
_SAMPLES = 10
_PROJECTED = (4, 8, 16)
_ORIGINAL = f"{toolchain.ROOT}/python/tools/run_qtable.py"
# Runs a command and writes what it took: seconds, seconds of all processors, bytes of the largest process.
_MEASURE = """\
import json, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
taken = [time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]
with open("measured.json", "w") as file:
    json.dump(taken, file)
sys.exit(code)
"""


@dataclass(frozen=True)
class Taken:
    """What one run took.

    Attributes:
        seconds: from its start to its end.
        busy: seconds of all processors.
        memory: bytes that its largest process held.
    """

    seconds: float
    busy: float
    memory: int


def run(scratch: Path, stages: Sequence[str]) -> Iterator[Result]:
    """Measures it for some stages, each given as `PROJECT:MODEL:STAGE`."""
    image_id = image.ensure(DockerEngine(connection.ensure()), Recipe.from_environment(), scratch).id
    for stage in stages:
        root, _, name = stage.partition(":")
        timed([sys.executable, "-m", "doit", name], Path(root))
        action = _action(Path(root), name)
        yield from _compare(name, action, functools.partial(_run, image_id, action, Path(root), scratch))


def projected(one: float, two: float, samples: int, processes: int) -> float:
    """Seconds with so many processes, from those with one and with two.

    What is not serial takes as long as the process with the most samples.
    """
    shared = max(0.0, one - two) / (1 - math.ceil(samples / 2) / samples) if samples > 1 else 0.0
    return one - shared + shared * math.ceil(samples / processes) / samples


def _compare(name: str, action: Action, run_with: functools.partial[Taken]) -> Iterator[Result]:
    taken: dict[int, list[Taken]] = {0: [], 1: [], 2: []}
    for _ in range(REPEATS):
        for processes, runs in taken.items():
            runs.append(run_with(processes))
    times = {count: Times(tuple(each.seconds for each in runs)) for count, runs in taken.items()}
    for processes, bound in BOUNDS.items():
        yield Result(
            benchmark="search",
            figure=f"{name}, {_processes(processes)}",
            times=times[processes],
            against="run_qtable",
            against_times=times[0],
            comparison=Comparison.RATIO,
            bound=bound,
        )
    for count, runs in taken.items():
        busy, memory = min(each.busy for each in runs), max(each.memory for each in runs)
        label = _processes(count) if count else "run_qtable"
        announce.note(f"{name}: {label}: {busy:.1f} s of processors, {memory / GIBIBYTE:.2f} GiB a process")
    samples = _samples(action)
    for count in _PROJECTED:
        seconds = projected(times[1].median, times[2].median, samples, count)
        announce.note(f"{name}: {count} processes, {samples} samples: {seconds:.1f} s projected")


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _samples(action: Action) -> int:
    """How many samples are searched with."""
    wanted = [part.partition("=")[2] for part in action.argv if part.startswith("--input_num=")]
    there = len(action.texts[0].text.splitlines()) if action.texts else len(action.folders[0].files)
    return min(int(wanted[0]) if wanted else _SAMPLES, there)


def _action(root: Path, name: str) -> Action:
    with project.working_in(root):
        model = read_declarations(Path()).models[name.partition(":")[0]]
        return next(stage.action for stage in pipeline.qtable(model) if stage.action.name == name)


def _run(image_id: str, action: Action, root: Path, scratch: Path, processes: int) -> Taken:
    """The search in a bare container; without processes, the toolchain's own.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        work, place = Path(folder, "work"), {}
        work.mkdir()
        for file in action.inputs:
            shutil.copy(root / file.path, work / file.name)
        for text in action.texts:
            (work / text.name).write_text(text.text, encoding="utf-8")
        for number, given in enumerate(action.folders):
            place[given.target] = Path(folder, f"given{number}")
            for name, path in given.files.items():
                target = place[given.target] / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / path, target)
        argv = list(action.argv[len(toolchain.DETERMINISTIC) :])
        if not processes:
            argv[argv.index("search.py")] = _ORIGINAL
        variables = {**action.environment, PROCESSES: str(max(1, processes))}
        timed(
            [
                *("docker", "run", "--rm", "--user", f"{os.geteuid()}:{os.getegid()}"),
                *("--volume", f"{work}:{WORKSPACE}", "--workdir", WORKSPACE),
                *(part for inside, path in place.items() for part in ("--volume", f"{path}:{inside}:ro")),
                *(part for key, value in variables.items() for part in ("--env", f"{key}={value}")),
                *("--entrypoint", "", image_id, "python3", "-c", _MEASURE, *argv),
            ],
            scratch,
        )
        return Taken(*json.loads((work / "measured.json").read_text(encoding="utf-8")))
