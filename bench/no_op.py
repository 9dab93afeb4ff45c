"""A build with nothing to do, of a project of one model, from the shell: against doit alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, Times, alternate, timed

REPEATS = 11
# Seconds; what a person takes for at once.
BOUND = 0.5


def times_of(scratch: Path, models: int, repeats: int) -> dict[str, Times]:
    """The times of `cvimake` and of `doit` alone where nothing is left to do, for so many models."""
    project.write(scratch, models)
    project.mark_done(scratch)
    ours, plain = project.commands(scratch)
    return alternate(
        {
            "cvimake": functools.partial(timed, ours, scratch),
            "doit": functools.partial(timed, plain, scratch),
        },
        repeats,
    )


def run(scratch: Path) -> Iterator[Result]:
    """Measures it in an empty folder."""
    times = times_of(scratch, models=1, repeats=REPEATS)
    yield Result(
        benchmark="no-op",
        figure="nothing to do, one model, ./doit",
        times=times["cvimake"],
        against="doit alone, the same tasks",
        against_times=times["doit"],
        comparison=Comparison.TIME,
        bound=BOUND,
    )
