"""The order of stages: the one that the longest chain of work waits for runs first."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from doit.task import Task

from cvimake.core import graph

Thing = TypeVar("Thing", bound=Hashable)
# The work that is left is counted in whole nanoseconds, so that nothing remains at the end.
_NANOSECONDS = 1_000_000_000


class Schedule:
    """The work of a build, by the time that it takes.

    Args:
        tasks: gives those that may run, each with everything that it needs in its `task_dep`; asked only
            where something does run.
        seconds: how long one takes, as far as is known.
    """

    def __init__(self, tasks: Callable[[], Mapping[str, Task]], seconds: Callable[[Task], float]) -> None:
        self._give, self._seconds = tasks, seconds
        self._known: dict[str, float] = {}
        self._chains: dict[str, float] = {}
        self._settled: set[str] = set()

    @functools.cached_property
    def _tasks(self) -> Mapping[str, Task]:
        return self._give()

    @functools.cached_property
    def _after(self) -> dict[str, list[str]]:
        """For each task, the tasks that need it."""
        after: dict[str, list[str]] = {}
        for name, task in self._tasks.items():
            for needed in task.task_dep:
                after.setdefault(needed, []).append(name)
        return after

    def seconds(self, name: str) -> float:
        """How long a task takes."""
        if name not in self._known:
            self._known[name] = self._seconds(self._tasks[name]) if name in self._tasks else 0.0
        return self._known[name]

    def chain(self, name: str) -> float:
        """Seconds from a task's beginning to the end of the longest chain of those that need it."""
        if name not in self._chains:
            ends_first = graph.in_order([name], self._followers)
            found = graph.longest(ends_first, self._followers, self.seconds)
            self._chains |= {each: seconds for each, (seconds, _) in found.items()}
        return self._chains[name]

    @property
    def left(self) -> float:
        """Seconds of all tasks that are not settled."""
        return self._nanoseconds_left / _NANOSECONDS

    def settled(self, name: str) -> None:
        """Take a task for one that needs no more time: it has ended, is up to date, or cannot run."""
        if name not in self._settled:
            self._settled.add(name)
            if "_nanoseconds_left" in self.__dict__ and name in self._tasks:
                self._nanoseconds_left -= self._nanoseconds(name)

    @functools.cached_property
    def _nanoseconds_left(self) -> int:
        return sum(self._nanoseconds(name) for name in self._tasks if name not in self._settled)

    def _nanoseconds(self, name: str) -> int:
        return round(self.seconds(name) * _NANOSECONDS)

    def _followers(self, name: str) -> Iterable[str]:
        return self._after.get(name, ())


class Line(Generic[Thing]):
    """Things that wait, the most urgent first; of equally urgent ones, those that are ready first.

    Attributes:
        ready: the number of those that are ready.
    """

    def __init__(self) -> None:
        self._order: list[tuple[float, bool, int]] = []
        self._things: dict[int, Thing] = {}
        self._places: dict[Thing, tuple[float, bool, int]] = {}
        self._numbers = itertools.count()
        self.ready = 0

    def put(self, thing: Thing, urgency: float, *, is_ready: bool) -> None:
        """Let a thing wait that does not wait yet; behind those that are as urgent."""
        number = next(self._numbers)
        place = (-urgency, not is_ready, number)
        bisect.insort(self._order, place)
        self._things[number], self._places[thing] = thing, place
        self.ready += is_ready

    def remove(self, thing: Thing) -> None:
        """Let a thing wait no longer, if it does."""
        if place := self._places.pop(thing, None):
            del self._order[bisect.bisect_left(self._order, place)], self._things[place[-1]]
            self.ready -= not place[1]

    def remove_ready(self) -> None:
        """Let nothing wait any longer that is ready."""
        for thing, is_ready in list(self):
            if is_ready:
                self.remove(thing)

    def __iter__(self) -> Iterator[tuple[Thing, bool]]:
        """Yield each thing, and whether it is ready; nothing may come or go meanwhile."""
        for _, is_not_ready, number in self._order:
            yield self._things[number], not is_not_ready
