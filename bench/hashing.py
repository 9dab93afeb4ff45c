"""Measures how fast files in memory are hashed: `cvimake.core.digest` in one process, against `sha256sum`."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Result, alternate, timed
from cvimake.core import digest

# The size of a network of YOLO's largest kind, with its weights and reference.
SIZE = 512 * 1024 * 1024
REPEATS = 7
# The bound: equal, but for what differs from run to run.
BOUND = 1.1


def run(scratch: Path, repeats: int = REPEATS) -> Iterator[Result]:
    """Measure it in an empty folder, `repeats` times."""
    path = scratch / "file"
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        for _ in range(SIZE // len(block)):
            file.write(block)
    times = alternate(
        {
            "cvimake": functools.partial(_hashed, path),
            "sha256sum": functools.partial(timed, ["sha256sum", str(path)], scratch),
        },
        repeats,
    )
    yield Result(
        benchmark="hashing",
        figure=f"sha256 of {SIZE // 1024**2} MiB, digest.of_file",
        ours=times["cvimake"],
        against="sha256sum",
        theirs=times["sha256sum"],
        bound=BOUND,
    )


def _hashed(path: Path) -> float:
    started = time.monotonic()
    digest.of_file(path)
    return time.monotonic() - started
