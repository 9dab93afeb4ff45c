"""A build with nothing to do, of a project of one model, from the shell: against doit alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, alternate, timed

REPEATS = 11
# Seconds; what a person takes for at once.
BOUND = 0.5


def run(scratch: Path) -> Iterator[Result]:
    """Measures it in an empty folder."""
    project.write(scratch, models=1)
    project.mark_done(scratch)
    ours, plain = project.commands(scratch)
    times = alternate(
        {
            "cvimake": functools.partial(timed, ours, scratch),
            "doit": functools.partial(timed, plain, scratch),
        },
        REPEATS,
    )
    yield Result(
        benchmark="no-op",
        figure="nothing to do, one model, ./doit",
        times=times["cvimake"],
        against="doit alone, the same tasks",
        against_times=times["doit"],
        comparison=Comparison.TIME,
        bound=BOUND,
    )
