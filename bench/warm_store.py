"""Measures a fresh clone of this repository whose results are all in the store, against building them."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Result, alternate, timed
from cvimake.builder.store.current import NONE, STORE_VARIABLE

REPEATS = 3
# The bound, as a fraction of the time that building takes.
BOUND = 0.1


def run(scratch: Path, repeats: int = REPEATS) -> Iterator[Result]:
    """Measure it in an empty folder, `repeats` times."""
    for name in ("dodo.py", "pyproject.toml", "models", "datasets"):
        source = project.CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, scratch / name)
    command = [str(project.add_launcher(scratch)), "--continue"]
    store = str(scratch / "store")
    _build(command, scratch, store)
    times = alternate(
        {
            "store": functools.partial(_build, command, scratch, store),
            "build": functools.partial(_build, command, scratch, NONE),
        },
        repeats,
    )
    yield Result(
        benchmark="warm-store",
        figure="all bundled models from the store",
        ours=times["store"],
        against="building them",
        theirs=times["build"],
        bound=BOUND,
    )


def _build(command: list[str], root: Path, store: str) -> float:
    """Build everything as in a fresh clone, but with the environment and the toolchain of this one."""
    shutil.rmtree(root / "build", ignore_errors=True)
    os.environ[STORE_VARIABLE] = store
    try:
        timed([*command[:1], "toolchain"], root)
        return timed(command, root)
    finally:
        os.environ[STORE_VARIABLE] = NONE
