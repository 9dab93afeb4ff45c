"""Measures the search for a qtable, against the toolchain's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import metered, project
from bench.measure import Result
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.stages import qtable

DEFAULT = f"{project.CHECKOUT}:shapes:mix_qtable"
REPEATS = 3
PROGRAM = metered.Program(
    benchmark="search",
    name="run_qtable",
    stand_in="search.py",
    bounds={1: 0.75, 2: 0.4},
    least=metered.Least.OPERATORS,
)


def run(scratch: Path, repeats: int = REPEATS, stages: Sequence[str] = (DEFAULT,)) -> Iterator[Result]:
    """Measure it.

    Args:
        scratch: an empty folder.
        repeats: how often each is run.
        stages: the stages, each as `PROJECT:MODEL:STAGE`.

    Raises:
        CvimakeError: there is no such stage.
    """
    for place in stages:
        folder, _, name = place.partition(":")
        root = Path(folder).resolve()
        found = {stage.action.name: stage for stage in metered.stages(root, qtable.stages)}
        if name not in found:
            raise CvimakeError(
                f"{root} has no search {name}", f"It has: {', '.join(sorted(found)) or 'none'}"
            )
        yield from metered.compare(PROGRAM, root, found[name], scratch, repeats)
