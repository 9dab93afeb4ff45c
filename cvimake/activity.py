"""What runs at this moment and how far it is, for whoever shows it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

# A tqdm bar: what it counts, if it says so, and how far it is.
_BAR = re.compile(rb"([^\r\n%|]*?)[: ]*(\d{1,3})%\|")
# "[2048] tune op: /model.0/conv" is a setting, what is counted, and a layer that flies by.
_COUNTED = re.compile(r"(?:\[\d+\] )?([^:/]*)")
# Longer than any bar that the tools draw.
_LONGEST_BAR = 1000


@dataclass
class Activity:
    """One stage that runs.

    Attributes:
        name: `MODEL:STAGE`.
        expected: seconds that it took when it last ran; None if it never did.
        doing: what its tool counts at the moment, in the tool's words; empty if it does not say.
        percent: how much of that is done; None if it does not say.
    """

    name: str
    expected: float | None = None
    doing: str = ""
    percent: int | None = None
    started: float = field(default_factory=time.monotonic)
    _unread: bytes = b""

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    def read(self, output: bytes) -> None:
        """Takes the next piece of what the tool prints."""
        text = (self._unread + output)[-_LONGEST_BAR:]
        bars = list(_BAR.finditer(text))
        if not bars:
            self._unread = text
            return
        found = bars[-1]
        self._unread = text[found.end() :]
        label = found[1].decode("utf-8", errors="replace").strip()
        if counted := _COUNTED.match(label):
            self.doing = counted[1].replace("_", " ").strip()
        self.percent = int(found[2])


class Activities:
    """All stages that run in this process. The methods may be called from several threads."""

    def __init__(self) -> None:
        self._running: dict[str, Activity] = {}

    def begin(self, name: str, expected: float | None = None) -> Activity:
        """A stage begins."""
        self._running[name] = activity = Activity(name, expected)
        return activity

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
