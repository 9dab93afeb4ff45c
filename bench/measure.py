"""Alternating runs of what is compared, what came of them, and the machine that they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cvimake.action import GIBIBYTE


@dataclass(frozen=True)
class Times:
    """The times of equal runs, in seconds, in their order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)


def alternate(runs: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, Times]:
    """Times several things in turns, so that what else the machine does meets all of them.

    Args:
        runs: each does one thing once and returns the seconds that count.
        repeats: how often each is done.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(run())
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def timed(command: list[str], folder: Path) -> float:
    """Runs a command in a folder; returns the seconds from its start to its end.

    Raises:
        RuntimeError: it failed; with all that it printed.
    """
    started = time.monotonic()
    result = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.monotonic() - started
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with exit code {result.returncode}:\n{result.stdout}")
    return seconds


class Comparison(Enum):
    """What of two times is held against the bound."""

    TIME = "time"
    DIFFERENCE = "difference"
    RATIO = "ratio"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure against another.

    Attributes:
        benchmark: what it belongs to.
        figure: what was measured.
        against: what it is measured against.
        bound: what the comparison may come to at most: a ratio, or seconds.
    """

    benchmark: str
    figure: str
    times: Times
    against: str
    against_times: Times
    comparison: Comparison
    bound: float

    @property
    def value(self) -> float:
        """What is held against the bound: a ratio, or seconds."""
        ours, other = self.times.median, self.against_times.median
        if self.comparison is Comparison.RATIO:
            return ours / other
        return ours - other if self.comparison is Comparison.DIFFERENCE else ours

    @property
    def is_within(self) -> bool:
        """Whether it keeps to its bound."""
        return self.value <= self.bound


def machine() -> dict[str, object]:
    """What the figures depend on; the load as the average of the last minute."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "memory (GiB)": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE, 1),
        "load": round(os.getloadavg()[0], 1),
        "docker": _docker(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    """The processor's name, as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _docker() -> str | None:
    """The engine's version; None where no engine answers."""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
