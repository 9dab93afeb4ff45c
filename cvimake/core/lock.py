"""A lock for one process at a time. It ends with the process that holds it, even if that is killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from cvimake.core import announce
from cvimake.core.errors import CvimakeError
from cvimake.core.process import started

# Seconds. A process that has just got the lock has written its name into the file after this time.
_WRITTEN_AFTER = 0.5
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_A_DAY = 24 * 3600


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, as it is written in the lock's file.

    Attributes:
        started: its start in ticks of its machine. A later process of the same number has another start.
        machine: the name of its machine or container.
        since: the time at which it got the lock, in seconds since 1970.
        what: its work, such as `is building shapes in this project`.
    """

    process: int
    started: str
    machine: str
    since: float
    what: str

    @classmethod
    def of_this_process(cls, what: str) -> Holder:
        """Return this process as the holder from now on."""
        process = os.getpid()
        return cls(process, started(process), platform.node(), time.time(), what)

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Return the holder that a lock's file names, or None if that process has ended.

        A process that was killed leaves its name in the file, but no lock.
        """
        try:
            holder = cls(**json.loads(path.read_text(encoding="utf-8")))
            # Nothing is known of processes on other machines.
            lives = not holder.is_here or started(holder.process) == holder.started
        except (OSError, ValueError, TypeError):
            return None
        return holder if lives else None

    @property
    def is_here(self) -> bool:
        """Tell whether it is on this machine and in this container."""
        return self.machine == platform.node()

    def __str__(self) -> str:
        now = time.time()
        form = "%H:%M:%S" if abs(now - self.since) < _A_DAY else "%Y-%m-%d %H:%M:%S"
        since = time.strftime(form, time.localtime(self.since))
        place = "" if self.is_here else f" on {self.machine}"
        return f"process {self.process}{place} (since {since}) {self.what}"


class HeldError(CvimakeError):
    """Another process holds the lock."""

    id = "locked"


@contextlib.contextmanager
def exclusive(path: Path, what: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock at a path. If another process holds it, say which one, what it does and since when.

    Args:
        path: the lock's file. It is made if it is missing, and it stays.
        what: the work of this process, for others that want the lock: `is building ...`.
        wait: wait until the lock is free.

    Raises:
        HeldError: another process holds the lock, and `wait` is false.
        CvimakeError: the file system has no locks.
    """
    with path.open("a+", encoding="utf-8") as file:
        _lock(file, path, wait=wait)
        file.truncate(0)
        file.write(f"{json.dumps(asdict(Holder.of_this_process(what)))}\n")
        file.flush()
        try:
            yield
        finally:
            # If this fails, the next holder overwrites the name.
            with contextlib.suppress(OSError):
                file.truncate(0)


def _lock(file: TextIO, path: Path, *, wait: bool) -> None:
    try:
        holder: Holder | None = None
        end = time.monotonic() + _WRITTEN_AFTER
        while not _is_locked(file):
            if (holder := Holder.read(path)) or time.monotonic() > end:
                break
            time.sleep(0.02)
        else:
            return
        busy = str(holder or f"another process has {path} locked")
        if not wait:
            ending = f", or end it: kill {holder.process}" if holder and holder.is_here else ""
            raise HeldError(busy, f"Wait for it: the same without --no-wait{ending}")
        announce.note(f"{busy}; waiting for it")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise CvimakeError(
            f"{path}: its file system cannot lock files ({error.strerror}), "
            "and two at once would spoil each other's work",
            "Move it to a local file system; of NFS or Lustre, mount it with locks (flock).",
        ) from error


def _is_locked(file: TextIO) -> bool:
    """Lock a file if no other process has locked it, and tell whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
