"""Measures the calibration of every model of a project, against the toolchain's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import metered, project
from bench.measure import Result
from cvimake.pipeline.stages import calibration

REPEATS = 3
PROGRAM = metered.Program(
    benchmark="calibration",
    name="run_calibration",
    stand_in="calibrate.py",
    bounds={1: 0.4, 2: 0.22},
    least=metered.Least.NETWORK,
)


def run(scratch: Path, repeats: int = REPEATS, root: Path = project.CHECKOUT) -> Iterator[Result]:
    """Measure it.

    Args:
        scratch: an empty folder.
        repeats: how often each is run.
        root: the folder of the project with the models.
    """
    for stage in metered.stages(root.resolve(), calibration.stages):
        yield from metered.compare(PROGRAM, root.resolve(), stage, scratch, repeats)
