"""What runs at this moment and how far it is, for whoever shows it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

# A tqdm bar, up to the mark that no other line has: "[2048] tune op: /model.0/conv:  62%|". That is a
# setting, what is counted, and a layer that flies by.
_MARK = b"%|"
_PERCENT = re.compile(r"(\d{1,3})$")
_COUNTED = re.compile(r"(?:\[\d+\] )?([^:/]*)")
# Longer than any bar that the tools draw.
_LONGEST_BAR = 1000


@dataclass
class Activity:
    """One stage that runs.

    Attributes:
        name: `MODEL:STAGE`.
        expected: seconds that it should take; None if nothing is known of that.
        is_guess: it never ran here, and the time is an estimate.
        doing: what its tool counts at the moment, in the tool's words; empty if it does not say.
        percent: how much of that is done; None if it does not say.
    """

    name: str
    expected: float | None = None
    doing: str = ""
    percent: int | None = None
    started: float = field(default_factory=time.monotonic)
    is_guess: bool = False
    _unread: bytes = b""

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    def read(self, output: bytes) -> None:
        """Takes the next piece of what the tool prints."""
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
    """All stages that run in this process. The methods may be called from several threads."""

    def __init__(self) -> None:
        self._running: dict[str, Activity] = {}

    def begin(self, name: str, expected: float | None = None, *, is_guess: bool = False) -> Activity:
        """A stage begins."""
        self._running[name] = activity = Activity(name, expected, is_guess=is_guess)
        return activity

    def tell(self, name: str, doing: str, percent: int) -> None:
        """A stage says itself how far it is; ignored where nobody began it."""
        if activity := self._running.get(name):
            activity.doing, activity.percent = doing, percent

    def end(self, name: str) -> float:
        """A stage has ended; returns the seconds that it took."""
        return self._running.pop(name).elapsed

    def running(self) -> list[Activity]:
        """Those that run, the oldest first."""
        return list(self._running.values())

    def read(self, name: str, output: bytes) -> None:
        """Takes what a stage's tool prints; ignored where nobody began the stage."""
        if activity := self._running.get(name):
            activity.read(output)


# There is one terminal, and one build at a time in a process.
ACTIVITIES = Activities()
