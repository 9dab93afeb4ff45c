"""A build with nothing to do, of a project of 1,000 models, from the shell: against doit alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import no_op, project
from bench.measure import Comparison, Result

MODELS = 1000
REPEATS = 7
# Doit alone is given the finished graph; it does not read and check 1,000 declarations.
BOUND = 2.5


def run(scratch: Path) -> Iterator[Result]:
    """Measures it in an empty folder."""
    times = no_op.times_of(scratch, MODELS, REPEATS)
    yield Result(
        benchmark="thousand-models",
        figure=f"nothing to do, {MODELS:,} models, ./doit",
        times=times["cvimake"],
        against=f"doit alone, the same {MODELS * project.TASKS_OF_A_MODEL + 1:,} tasks",
        against_times=times["doit"],
        comparison=Comparison.RATIO,
        bound=BOUND,
    )
