"""The order of stages: the one that the longest chain of work waits for runs first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

from doit.task import Task

from cvimake.core import graph


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

    def work(self, names: Iterable[str]) -> float:
        """Seconds of some tasks and of all that follow from them."""
        return sum(map(self.seconds, graph.reached(names, self._followers)))

    def _followers(self, name: str) -> Iterable[str]:
        return self._after.get(name, ())
