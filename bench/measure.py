"""Runs things in turns, and compares their figures."""

from __future__ import annotations

import functools
import math
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_Key = TypeVar("_Key", bound=Hashable)


class Unit(Enum):
    """The unit of a figure: time, the time of all processors, the memory of the largest process, files."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    PROCESSOR_SECONDS = "processor s"
    PROCESSOR_MILLISECONDS = "processor ms"
    MEBIBYTES = "MiB"
    MEBIBYTES_ON_DISK = "MiB on disk"


class Comparison(Enum):
    """The comparison of two figures that has a bound."""

    ITSELF = "itself"
    DIFFERENCE = "difference"
    RATIO = "ratio"


@dataclass(frozen=True)
class Runs:
    """The figures of equal runs, in their order.

    Attributes:
        values: one for each run; none if nothing could be run.
        ended: the runs were ended after these values, and take more.
        missing: why there are no values, and what to do.
    """

    values: tuple[float, ...] = ()
    ended: bool = False
    missing: str = ""

    @property
    def median(self) -> float:
        """Return the median of all runs."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Scale:
    """The size at which a figure was measured, such as 1,000 models or 2 processes."""

    number: int
    of: str

    def __str__(self) -> str:
        plural = "es" if self.of.endswith("s") else "s"
        return f"{self.number:,} {self.of}{plural if self.number != 1 else ''}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure against another.

    Attributes:
        benchmark: the benchmark that it belongs to.
        figure: the name of the measured figure.
        scale: the size at which it was measured; None if there is only one.
        ours: cvimake's figures.
        against: the name of the thing that cvimake is compared with.
        theirs: the figures of that thing.
        unit: the unit of both.
        bound: the largest allowed result of the comparison, a ratio or in the unit; None without a bound.
        projected: whether our figures were calculated from other runs, and not measured.
    """

    benchmark: str
    figure: str
    ours: Runs
    against: str
    theirs: Runs
    comparison: Comparison = Comparison.RATIO
    bound: float | None = None
    unit: Unit = Unit.SECONDS
    scale: Scale | None = None
    projected: bool = False

    @property
    def name(self) -> str:
        """Return the name of the figure, with its size."""
        return f"{self.figure}, {self.scale}" if self.scale else self.figure

    @property
    def ratio(self) -> float | None:
        """Return ours divided by theirs, at most, if theirs was ended; None if one is missing."""
        if not self.ours.values or not self.theirs.values or self.ours.ended:
            return None
        return self.ours.median / self.theirs.median

    @property
    def value(self) -> float | None:
        """Return the value that has the bound; None if something is missing."""
        if self.comparison is Comparison.RATIO or self.ratio is None:
            return self.ratio
        if self.comparison is Comparison.DIFFERENCE:
            return self.ours.median - self.theirs.median
        return self.ours.median

    @property
    def is_within(self) -> bool | None:
        """Tell whether it keeps to its bound; None if there is no bound or no value."""
        return None if self.bound is None or self.value is None else self.value <= self.bound


class TakesLongerError(Exception):
    """A run was ended after this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it takes more than {seconds:.0f} s")
        self.seconds = seconds


def in_turns(runs: Mapping[_Key, Callable[[], _T]], repeats: int) -> dict[_Key, tuple[_T, ...]]:
    """Run several things in turns, so that other work of the machine affects all of them.

    Args:
        runs: each does one thing once and returns its result.
        repeats: how often each is done.
    """
    found: dict[_Key, list[_T]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            found[name].append(run())
    return {name: tuple(values) for name, values in found.items()}


def alternate(runs: Mapping[_Key, Callable[[], float]], repeats: int) -> dict[_Key, Runs]:
    """Measure several things in turns; one that has to be ended is not run again.

    Args:
        runs: each does one thing once and returns the figure that counts.
        repeats: how often each is done.
    """
    ended: dict[_Key, Runs] = {}

    def once(name: _Key) -> float:
        if name not in ended:
            try:
                return runs[name]()
            except TakesLongerError as error:
                ended[name] = Runs((error.seconds,), ended=True)
        return ended[name].median

    found = in_turns({name: functools.partial(once, name) for name in runs}, repeats)
    return {name: ended.get(name, Runs(values)) for name, values in found.items()}


def timed(command: list[str], folder: Path, limit: float | None = None) -> float:
    """Run a command in a folder; return the seconds from its start to its end.

    Args:
        command: the program and its arguments.
        folder: the folder in which it runs.
        limit: the seconds after which it and all its processes are ended.

    Raises:
        TakesLongerError: it was ended.
        RuntimeError: it failed; has its whole output.
    """
    seconds, _ = timed_output(command, folder, limit)
    return seconds


def timed_output(command: list[str], folder: Path, limit: float | None = None) -> tuple[float, str]:
    """Do the same as `timed`; return the whole output too."""
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TakesLongerError(error.timeout) from None
            raise
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}:\n{output}")
    return seconds, output


def peak(command: list[str], folder: Path, limit: float | None = None) -> float:
    """Run a command in a folder; return the most memory that its process was seen to hold, in MiB.

    The kernel's own figure for an ended process would include the memory of the process that started it.

    Raises:
        TakesLongerError: it was ended.
        RuntimeError: it failed.
    """
    until, most = time.monotonic() + (math.inf if limit is None else limit), 0.0
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            while process.poll() is None and time.monotonic() < until:
                most = max(most, held(process.pid))
                time.sleep(_LOOK)
            is_over = process.poll() is not None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if not is_over:
            os.killpg(process.pid, signal.SIGKILL)
    if limit is not None and not is_over:
        raise TakesLongerError(limit)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}")
    return most


# The seconds between two looks at a process's memory; a short process ends after a few looks.
_LOOK = 0.001


def held(process: int) -> float:
    """Return the most memory that a process has held since its program began, in MiB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
