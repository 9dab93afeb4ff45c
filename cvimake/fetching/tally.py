"""The progress of the downloads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from cvimake.core import units
from cvimake.fetching.jobs import Job

# Seconds over which the speed is measured.
_WINDOW = 5.0


class Tally:
    """Counts files and bytes. Several threads may call its methods."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._guard = threading.Lock()
        self._sizes: dict[str, int | None] = {job.sha256: job.size for job in jobs}
        self._have: dict[str, int] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self.started = time.monotonic()
        self.received = 0
        self.files, self.files_done = sum(len(job.places) for job in jobs), 0

    def whole(self, sha256: str, size: int) -> None:
        """Note the size of a download."""
        with self._guard:
            self._sizes[sha256] = size

    def have(self, sha256: str, count: int) -> None:
        """Note how many bytes of a download are there."""
        with self._guard:
            self._have[sha256] = count

    def receive(self, count: int) -> None:
        """Note that bytes have come in."""
        now = time.monotonic()
        with self._guard:
            self.received += count
            self._recent.append((now, count))
            while self._recent[0][0] < now - _WINDOW:
                self._recent.popleft()

    def place(self, count: int) -> None:
        """Note that files are in their places."""
        with self._guard:
            self.files_done += count

    @property
    def done(self) -> int:
        """The bytes that are there."""
        with self._guard:
            return sum(self._have.values())

    @property
    def size(self) -> int | None:
        """The bytes of all downloads; None if that is not known yet."""
        with self._guard:
            sizes = [size for size in self._sizes.values() if size is not None]
            return sum(sizes) if len(sizes) == len(self._sizes) else None

    @property
    def speed(self) -> float:
        """The bytes per second of the last seconds."""
        now = time.monotonic()
        with self._guard:
            recent = [(at, count) for at, count in self._recent if at >= now - _WINDOW]
        span = min(_WINDOW, now - self.started)
        return sum(count for _, count in recent) / span if span > 0 else 0.0

    def __str__(self) -> str:
        size, speed = self.size, self.speed
        whole = f" of {units.size(size)}" if size is not None else ""
        files = f"{self.files_done} of {self.files} files"
        text = f"{files}, {units.size(self.done)}{whole}, {units.size(round(speed))}/s"
        if size is None or not speed:
            return text
        return f"{text}, about {units.duration(max(0.0, size - self.done) / speed)} left"
