"""Measures builds of many models on simulated clusters: against the least time, and for more and more models.

The build, Dask's scheduler, its workers, the store and all that is done before and after a tool are the real
ones. Only the tools sleep, as long as was recorded, in simulated time.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import busy, project
from bench.busy import Busy
from bench.measure import Comparison, Result, Runs, Scale, Unit
from bench.recorded import Recorded, Work
from bench.simulated import SLOTS_OF_A_WORKER, Built, Cluster
from cvimake.builder.store.current import STORE_VARIABLE
from cvimake.core import announce

REPEATS = 1
MODELS, SLOTS = 1000, (16, 64, 256)
# The largest allowed makespan, as a multiple of the least time.
BOUND = 1.15
# Seconds of each build, if it takes the least time. The simulated seconds in a second follow from it. In this
# time, two cores have to do all that build, scheduler and workers do beside the tools, for 27 stages in each
# second.
_TAKES = 300.0
# The numbers of models, the slots, and the stages after which a build is ended, to see how it grows.
_GROWING, _GROWING_SLOTS, _MOST = (100, 1000, 10000), 64, 3000


def run(
    scratch: Path, repeats: int = REPEATS, tell: Callable[[Busy], object] = lambda _busy: None
) -> Iterator[Result]:
    """Measure it in an empty folder, after building one model with the real toolchain.

    Args:
        scratch: the folder.
        repeats: how often each build is made.
        tell: is called with the last build on each number of slots.

    Raises:
        RuntimeError: a build failed.
    """
    announce.note(
        f"cluster: real are the build, Dask's scheduler, its workers of {SLOTS_OF_A_WORKER} slots each, and "
        "the store, all on this machine. Simulated are time and tools: a tool sleeps as long as was recorded "
        "of YOLO11n and YOLOv5s (docs/performance-build.json), and writes what the real tool wrote for a "
        "small network. On n slots it sleeps 1/n of its time"
    )
    tape, root = scratch / "tape", scratch / "many"
    needs = _recorded(tape)
    recorded = Recorded.load()
    root.mkdir()
    project.write(root, MODELS)
    work = Work.of(recorded, [f"m{number:04}" for number in range(MODELS)], needs)
    for slots in SLOTS:
        scale = work.bound(slots) / _TAKES
        cluster = Cluster(folder=scratch / "cluster", tape=tape, slots=slots, scale=scale)
        built = [cluster.build(root) for _ in range(repeats)]
        yield from of_slots(work, slots, scale, built)
        tell(
            Busy(
                slots=slots,
                scale=scale,
                least=work.bound(slots),
                most=BOUND,
                makespan=built[-1].makespan * scale,
                running=busy.running(built[-1].stages),
            )
        )
    grown: dict[int, list[Built]] = {}
    for models in _GROWING:
        root = scratch / f"many{models}"
        root.mkdir()
        project.write(root, models)
        cluster = Cluster(folder=scratch / "cluster", tape=tape, slots=_GROWING_SLOTS, scale=0.0)
        # Later stages take another time. These are those that all models begin with.
        grown[models] = [cluster.build(root, min(models, _MOST)) for _ in range(repeats)]
        yield from of_models(models, grown[models], grown[_GROWING[0]])


def _recorded(tape: Path) -> dict[str, list[str]]:
    """Build a project of one model with the real toolchain, and keep all results in a store beside it.

    Returns:
        The stages of its model, and for each those that it needs.
    """
    tape.mkdir()
    project.write(tape, 1)
    with announce.step("building one model with the real toolchain"):
        subprocess.run(
            [sys.executable, "-m", "cvimake.cli"],
            cwd=tape,
            env={**os.environ, STORE_VARIABLE: str(tape / "store")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    with project.working_in(tape), project.graph_of(tape) as (tasks, _):
        stages = {name: task for name, task in tasks.items() if ":" in name and task.actions}
        return {
            name.partition(":")[2]: [other.partition(":")[2] for other in task.task_dep if other in stages]
            for name, task in stages.items()
        }


def of_slots(work: Work, slots: int, scale: float, built: list[Built]) -> Iterator[Result]:
    """Yield the results of a number of slots.

    Args:
        work: of each build, in simulated seconds.
        slots: of all workers together.
        scale: simulated seconds in a second.
        built: the same build again and again.
    """
    result = functools.partial(Result, benchmark="cluster", scale=Scale(slots, "slot"))
    yield result(
        figure=f"{MODELS:,} models with {work.stages:,} stages, simulated time",
        ours=Runs(tuple(each.makespan * scale for each in built)),
        against="the larger of critical path and work divided by slots",
        theirs=Runs((work.bound(slots),)),
        bound=BOUND,
    )
    idle = [work.idle(each.makespan * scale, slots) / scale for each in built]
    yield result(
        figure="a slot without a stage, for each stage",
        ours=Runs(tuple(1000 * seconds for seconds in idle)),
        against=f"its sleep, {scale:.0f} times as quick as recorded",
        theirs=Runs((1000 * work.total / work.stages / scale,)),
        unit=Unit.MILLISECONDS,
    )
    yield result(
        figure="the build, for each stage",
        ours=Runs(tuple(each.each(each.client) for each in built)),
        against="the scheduler, for each stage",
        theirs=Runs(tuple(each.each(each.scheduler) for each in built)),
        unit=Unit.PROCESSOR_MILLISECONDS,
    )
    yield result(
        figure="the build",
        ours=Runs(tuple(each.client.memory for each in built)),
        against="the scheduler",
        theirs=Runs(tuple(each.scheduler.memory for each in built)),
        unit=Unit.MEBIBYTES,
    )


def of_models(models: int, built: list[Built], fewest: list[Built]) -> Iterator[Result]:
    """Yield the results of a number of models whose tools take no time.

    Args:
        models: the number.
        built: the same build again and again.
        fewest: the builds of the smallest number of models.
    """
    result = functools.partial(
        Result,
        benchmark="cluster-growth",
        scale=Scale(models, "model"),
        against=f"{_GROWING[0]} models",
        comparison=Comparison.RATIO,
    )
    yield result(
        figure="from one stage to the next, if tools take no time",
        ours=Runs(tuple(each.apart for each in built)),
        theirs=Runs(tuple(each.apart for each in fewest)),
        unit=Unit.MILLISECONDS,
    )
    yield result(
        figure="until the first stage begins",
        ours=Runs(tuple(each.first for each in built)),
        theirs=Runs(tuple(each.first for each in fewest)),
        unit=Unit.SECONDS,
    )
    yield result(
        figure="the build",
        ours=Runs(tuple(each.client.memory for each in built)),
        theirs=Runs(tuple(each.client.memory for each in fewest)),
        unit=Unit.MEBIBYTES,
    )
