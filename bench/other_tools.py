"""A build with nothing to do and a plan, of 1, 100 and 1,000 models: `./doit` against other build tools.

All have the same graph over the same files; what they look at differs, and docs/performance.md says how. Our
time holds the launcher, and reading and checking all declarations; the others are given the finished graph.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import project, tools
from bench.measure import Comparison, Result, Runs, Scale, Unit, alternate, peak, timed
from bench.tools import CVIMAKE, DOIT, Ready

# By the number of models: how often each is run.
REPEATS = {1: 11, 100: 7, 1000: 5}
# Seconds after which a run is ended; and each of those that get a tool ready, which are not measured.
LIMIT = 120.0
PREPARATION = 900.0
_BUILD, _PLAN, _PLAN_OF_ALL = (
    "./doit, nothing to do",
    "./doit plan, nothing to do",
    "./doit plan, everything to do",
)
# By the number of models, what is done and against whom: what is held against a bound, and the bound.
BOUNDS = {
    # Seconds; what a person takes for at once.
    (1, _BUILD, DOIT.name): (Comparison.ITSELF, 0.4),
    # doit is given the finished graph, and does not read and check 1,000 declarations.
    (1000, _BUILD, DOIT.name): (Comparison.RATIO, 2.5),
    # A plan looks at all that a build with nothing to do looks at.
    (1000, _PLAN, CVIMAKE.name): (Comparison.RATIO, 1.5),
    # And here it tells of 8,000 stages.
    (1000, _PLAN_OF_ALL, CVIMAKE.name): (Comparison.RATIO, 4.0),
}


def run(scratch: Path, repeats: int | None = None) -> Iterator[Result]:
    """Measures it in an empty folder.

    Args:
        scratch: the folder.
        repeats: how often each is run; by default as `REPEATS` has it.
    """
    for models, usual in REPEATS.items():
        folder = scratch / str(models)
        folder.mkdir()
        yield from _of_size(folder, models, repeats or usual)


def _of_size(folder: Path, models: int, repeats: int) -> Iterator[Result]:
    done, fresh = folder / "done", folder / "fresh"
    for root in (done, fresh):
        root.mkdir()
        project.write(root, models)
    ours, *others = tools.ready((CVIMAKE, *tools.OTHERS), done, PREPARATION)
    plan_of_all = [str(project.add_launcher(fresh)), *CVIMAKE.plan]
    installed = [tool for tool in (ours, *others) if not tool.missing]
    times = alternate(
        {
            **{(_BUILD, tool.name): functools.partial(timed, tool.build, done, LIMIT) for tool in installed},
            **{(_PLAN, tool.name): functools.partial(timed, tool.plan, done, LIMIT) for tool in installed},
            (_PLAN_OF_ALL, ours.name): functools.partial(timed, plan_of_all, fresh, LIMIT),
        },
        repeats,
    )

    def result(benchmark: str, doing: str, other: Ready, theirs: str) -> Result:
        """What we do, against what another tool does, or we do otherwise."""
        comparison, bound = BOUNDS.get((models, doing, other.name), (Comparison.RATIO, None))
        return Result(
            benchmark=benchmark,
            figure=doing,
            scale=Scale(models, "model"),
            ours=times[doing, ours.name],
            against=other.label if other is not ours else theirs,
            theirs=times.get((theirs, other.name), Runs(missing=other.missing)),
            comparison=comparison,
            bound=bound,
        )

    for doing in (_BUILD, _PLAN):
        for other in others:
            yield result("other-tools", doing, other, doing)
    for doing in (_PLAN, _PLAN_OF_ALL):
        yield result("plan", doing, ours, _BUILD)
    if models == max(REPEATS):
        slow = [tool.name for tool in others if not tool.missing and times[_BUILD, tool.name].ended]
        reason = f"its run was ended after {LIMIT:.0f} s"
        measured = [
            dataclasses.replace(tool, missing=reason) if tool.name in slow else tool for tool in others
        ]
        yield from _memory(models, done, ours, measured, repeats)


def _memory(models: int, root: Path, ours: Ready, others: list[Ready], repeats: int) -> Iterator[Result]:
    """What the process of each holds at its peak while it finds nothing to do."""
    runs: Mapping[str, Runs] = alternate(
        {
            tool.name: functools.partial(peak, tool.build, root, LIMIT)
            for tool in (ours, *others)
            if not tool.missing
        },
        repeats,
    )
    for other in others:
        yield Result(
            benchmark="other-tools",
            figure=_BUILD,
            scale=Scale(models, "model"),
            ours=runs[ours.name],
            against=other.label,
            theirs=runs.get(other.name, Runs(missing=other.missing)),
            unit=Unit.MEBIBYTES,
        )
