"""What is to run first: what the longest chain of work waits for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

from cvimake.builder.doit_types import Task


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
        """What needs each."""
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
            # No recursion: somebody else's graph may be deep.
            for each in reversed(self.with_followers([name])):
                after = (self._chains[follower] for follower in self._after.get(each, ()))
                self._chains[each] = self.seconds(each) + max(after, default=0.0)
        return self._chains[name]

    def work(self, names: Iterable[str]) -> float:
        """Seconds of some tasks and of all that follow from them."""
        return sum(map(self.seconds, self.with_followers(names)))

    def with_followers(self, names: Iterable[str]) -> list[str]:
        """Some tasks and all that follow from them, each before what needs it."""
        found: dict[str, None] = {}
        left = [(name, False) for name in names]
        while left:
            name, followers_are_done = left.pop()
            if followers_are_done:
                found[name] = None
            elif name not in found:
                left.append((name, True))
                left += [(follower, False) for follower in self._after.get(name, ()) if follower not in found]
        return list(found)[::-1]
