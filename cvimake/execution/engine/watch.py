"""Ends a command whose files take more room than they may: no engine has a quota for a folder."""

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

# Between two looks; a look that takes long is followed by so many times its own duration.
_SECONDS = 1.0
_PAUSE = 10
# After so many looks in a row that found out nothing, the command is ended too.
_BLIND = 30
_BLOCK = 512


@dataclass(frozen=True)
class Usage:
    """How much room files take.

    Attributes:
        size: bytes on the disk.
        files: files and folders.
    """

    size: int = 0
    files: int = 0

    def exceeds(self, limits: Limits) -> bool:
        """Whether it is more than a command's files may take."""
        return self.size > limits.workspace or self.files > limits.files


class Watch:
    """Tells whether a command was ended for what its files took."""

    def __init__(self) -> None:
        self.has_ended_it = False


@contextlib.contextmanager
def watched(
    limits: Limits, look: Callable[[], Usage | None], end: Callable[[], None], seconds: float = _SECONDS
) -> Iterator[Watch]:
    """Looks at a command's files at intervals, and ends it when they take too much.

    Args:
        limits: the command's.
        look: returns how much they take, None where that could not be found out.
        end: ends the command.
        seconds: between two looks.
    """
    watch, over = Watch(), threading.Event()

    def go() -> None:
        pause, blind = seconds, 0
        while not over.wait(pause):
            started = time.monotonic()
            usage = look()
            blind = blind + 1 if usage is None else 0
            if blind > _BLIND or (usage and usage.exceeds(limits)):
                watch.has_ended_it = True
                end()
                return
            pause = max(seconds, _PAUSE * (time.monotonic() - started))

    thread = threading.Thread(target=go, daemon=True, name="watch")
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def of_folder(folder: Path, limits: Limits) -> Usage:
    """How much a folder takes; counted no further than the limits. The tool may go on writing meanwhile.

    Folders that are closed to us, or nested deeper than a path can say, are too many files: a tool could hide
    others there, and nothing sane needs either.
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
        # Either of them can be gone before it is looked at.
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
    """Bytes that a file takes; a file of many names takes its room once."""
    if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
        identity = (status.st_dev, status.st_ino)
        if identity in known:
            return 0
        known.add(identity)
    return status.st_blocks * _BLOCK


def deleted(processes: Iterator[int], device: int) -> int:
    """Bytes of the files on a device that processes hold open and that have no name any more."""
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
    """The processes of the container whose first process this is; none where it is another machine's."""
    space = _space(process)
    if space and space != _space(os.getpid()):
        with os.scandir("/proc") as entries:
            numbers = [int(entry.name) for entry in entries if entry.name.isdigit()]
        yield from (number for number in numbers if _space(number) == space)


def _space(process: int) -> Path | None:
    """The kernel's name for the space that a process number is of."""
    try:
        return Path(f"/proc/{process}/ns/pid").readlink()
    except OSError:
        return None
