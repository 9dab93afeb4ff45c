"""How long a stage should take: as the last time, or by its network's size and this machine's speed."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from doit.dependency import Dependency
from doit.task import Task

from cvimake.builder.history import History
from cvimake.builder.records import CORES, SECONDS
from cvimake.builder.task_meta import meta_of
from cvimake.core.capacity import Load

# A loop in Python, and the seconds that it takes on the machine that the loads were measured on.
_STEPS, _REFERENCE = 200_000, 0.012
_SLOWEST, _FASTEST = 4.0, 0.5
# The times of so many stages tell how fast the machine is.
_ENOUGH = 100


@dataclass(frozen=True)
class Expected:
    """The expected time of a stage.

    Attributes:
        is_guess: it never ran here.
    """

    seconds: float
    is_guess: bool


class Estimates:
    """The expected times of a project's stages.

    Args:
        tasks: all of the graph.
        records: doit's, with the times of the last runs.
        history: knows the times of stages that have failed since; None for nowhere.
    """

    def __init__(
        self, tasks: Mapping[str, Task], records: Dependency, history: History | None = None
    ) -> None:
        self._tasks, self._records, self._history = tasks, records, history

    def of(self, name: str) -> Expected | None:
        """Return the expected time of a stage; None if nothing is known, as of an image to be made."""
        seconds = self._values(name).get(SECONDS)
        if seconds is None and self._history and (run := self._history.last(name)):
            seconds = run.seconds
        if seconds is not None:
            return Expected(float(seconds), is_guess=False)
        load = self._load(name)
        if load is None:
            return None
        cores = min(load.cores, os.cpu_count() or 1)
        return Expected(load.seconds * self._slowness / cores, is_guess=True)

    @functools.cached_property
    def _slowness(self) -> float:
        """How many times as long as expected everything takes here: by what has run, or by a short trial."""
        taken = expected = 0.0
        known = 0
        for name in self._tasks:
            load = self._load(name)
            values = self._values(name) if load else {}
            if load and SECONDS in values:
                taken += values[SECONDS] * values.get(CORES, 1)
                expected += load.seconds
                known += 1
            if known >= _ENOUGH:
                break
        ratio = taken / expected if known else _trial()
        return min(_SLOWEST, max(_FASTEST, ratio))

    def _load(self, name: str) -> Load | None:
        return meta_of(self._tasks[name]).load if name in self._tasks else None

    def _values(self, name: str) -> Mapping[str, float]:
        values: Mapping[str, float] = self._records.get_values(name) or {}
        return values


def _trial() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(_STEPS):
        total += number * number
    return (time.perf_counter() - started) / _REFERENCE
