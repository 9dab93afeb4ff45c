"""Ends a command that takes more time or room than it may. No engine has a quota for a folder."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.action import Limits

# The pause between two looks.
_SECONDS = 1.0
# After a look that takes long, the pause is this many times as long as the look.
_PAUSE = 10
# A command is also ended after this many looks in a row that found out nothing.
_BLIND = 30
_BLOCK = 512


@dataclass(frozen=True)
class Usage:
    """The room that files take.

    Attributes:
        size: bytes on the disk.
    """

    size: int = 0
    files: int = 0

    def exceeds(self, limits: Limits) -> bool:
        """Tell whether it is more than a command's files may take."""
        return self.size > limits.workspace or self.files > limits.files


class Watch:
    """Tells why a command was ended: its time was over, or its files took too much room."""

    timed_out = False
    overfull = False


@contextlib.contextmanager
def watched(
    limits: Limits, look: Callable[[], Usage | None], end: Callable[[], None], seconds: float = _SECONDS
) -> Iterator[Watch]:
    """End a command when its time is over, or when its files take too much room.

    Args:
        limits: the command's limits.
        look: returns how much room they take; None where that is not known.
        end: ends the command.
        seconds: the pause between two looks at the files.
    """
    watch, over = Watch(), threading.Event()

    def stop() -> None:
        watch.timed_out = True
        end()

    def go() -> None:
        pause, blind = seconds, 0
        while not over.wait(pause):
            started = time.monotonic()
            usage = look()
            blind = blind + 1 if usage is None else 0
            if blind > _BLIND or (usage and usage.exceeds(limits)):
                watch.overfull = True
                end()
                return
            pause = max(seconds, _PAUSE * (time.monotonic() - started))

    thread = threading.Thread(target=go, daemon=True, name="watch")
    thread.start()
    timer = threading.Timer(limits.seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        over.set()
        thread.join()


def of_folder(folder: Path, limits: Limits) -> Usage:
    """Return how much room a folder takes. Counting stops at the limits.

    The tool may go on writing meanwhile. A folder that is closed to us, or nested deeper than a path can be
    long, counts as too many files: a tool could hide files there, and no sane tool needs such a folder.
    """
    try:
        return _counted(folder, limits)
    except OSError:
        return Usage(files=limits.files + 1)


def _counted(folder: Path, limits: Limits) -> Usage:
    usage = Usage()
    known: set[tuple[int, int]] = set()
    left = [folder]
    while left and not usage.exceeds(limits):
        # A folder or a file can be removed before we look at it.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        left.append(Path(entry.path))
                    usage = Usage(usage.size + _size(status, known), usage.files + 1)
                if usage.exceeds(limits):
                    break
    return usage


def _size(status: os.stat_result, known: set[tuple[int, int]]) -> int:
    """Return the bytes that a file takes. A file with several names counts once."""
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
        identity = (status.st_dev, status.st_ino)
        if identity in known:
            return 0
        known.add(identity)
    return status.st_blocks * _BLOCK


def deleted(processes: Iterator[int], device: int) -> int:
    """Return the bytes of the files on a device that were deleted while processes hold them open."""
    found: dict[int, int] = {}
    for process in processes:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    status = descriptor.stat()
                    if status.st_nlink == 0 and status.st_dev == device and stat.S_ISREG(status.st_mode):
                        found[status.st_ino] = status.st_blocks * _BLOCK
    return sum(found.values())


def of_container(process: int) -> Iterator[int]:
    """Yield the processes of a container, given its first one; none if it is on another machine."""
    space = _space(process)
    if space and space != _space(os.getpid()):
        with os.scandir("/proc") as entries:
            numbers = [int(entry.name) for entry in entries if entry.name.isdigit()]
        yield from (number for number in numbers if _space(number) == space)


def _space(process: int) -> Path | None:
    """Return the kernel's name for the namespace that a process number belongs to."""
    try:
        return Path(f"/proc/{process}/ns/pid").readlink()
    except OSError:
        return None
