"""The running stages and how far each is, for whatever shows it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

# A tqdm bar, up to a mark that no other line has: "[2048] tune op: /model.0/conv:  62%|". It holds a
# setting, the name of what is counted, and the current layer.
_MARK = b"%|"
_PERCENT = re.compile(r"(\d{1,3})$")
_COUNTED = re.compile(r"(?:\[\d+\] )?([^:/]*)")
# No bar of the tools is longer.
_LONGEST_BAR = 1000


@dataclass
class Activity:
    """A running stage.

    Attributes:
        name: `MODEL:STAGE`.
        expected: seconds that it should take; None if nothing is known.
        is_guess: the time is an estimate, since the stage never ran here.
        doing: what its tool counts at the moment, in the tool's words; empty if the tool does not tell.
        percent: how much of that is done; None if the tool does not tell.
        where: the name of the machine that it runs on; empty for this one.
    """

    name: str
    expected: float | None = None
    doing: str = ""
    percent: int | None = None
    started: float = field(default_factory=time.monotonic)
    is_guess: bool = False
    where: str = ""
    _unread: bytes = b""

    @property
    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self.started

    def read(self, output: bytes) -> None:
        """Take the next piece of the tool's output."""
        text = (self._unread + output)[-_LONGEST_BAR:]
        bars, mark, self._unread = text.rpartition(_MARK)
        if not mark:
            return
        line = re.split(rb"[\r\n|]", bars)[-1].decode("utf-8", errors="replace").strip()
        percent = _PERCENT.search(line)
        counted = _COUNTED.match(line[: percent.start()] if percent else "")
        if percent and counted:
            self.doing = counted[1].strip().replace("_", " ")
            self.percent = int(percent[1])


class Activities:
    """All running stages of a build. Several threads may call the methods."""

    def __init__(self) -> None:
        self._running: dict[str, Activity] = {}

    def begin(self, name: str, expected: float | None = None, *, is_guess: bool = False) -> Activity:
        """Note that a stage begins."""
        self._running[name] = activity = Activity(name, expected, is_guess=is_guess)
        return activity

    def tell(self, name: str, doing: str, percent: int) -> None:
        """Note how far a stage is; ignored if it has not begun."""
        if activity := self._running.get(name):
            activity.doing, activity.percent = doing, percent

    def place(self, name: str, where: str) -> None:
        """Note which machine a stage runs on; ignored if it has not begun."""
        if activity := self._running.get(name):
            activity.where = where

    def where(self, name: str) -> str:
        """Return the name of the machine that a running stage runs on; empty for this one."""
        activity = self._running.get(name)
        return activity.where if activity else ""

    def end(self, name: str) -> float:
        """Note that a stage has ended; return the seconds that it took, 0 if nobody began it."""
        activity = self._running.pop(name, None)
        return activity.elapsed if activity else 0.0

    def running(self) -> list[Activity]:
        """Return the running stages, the oldest first."""
        return list(self._running.values())

    def read(self, name: str, output: bytes) -> None:
        """Take a piece of the output of a stage's tool; ignored if the stage has not begun."""
        if activity := self._running.get(name):
            activity.read(output)
