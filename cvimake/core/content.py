"""What is in files: the sha256 of each, read once for all who ask, and held against what was recorded."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from cvimake.core import digest, filesystem

# A file's inode, its times of modification and of any change in ns, its size, and its sha256; a JSON value.
# An inode of 0 says that the rest does not tell whether the file has changed: its bytes are read again.
State = list[Any]

# A file that is written while it is read is read again, so many times in all.
_ATTEMPTS = 3
# Seconds to wait until a change of a file would show; where it takes longer, the file's state is not known.
_LONGEST_WAIT = 0.05
# The state of a file that was not there: no file has it.
NOT_THERE: State = [0, 0, 0, -1, ""]


def observed(path: Path, read: Callable[[BinaryIO], str]) -> State:
    """The state of a file whose bytes are read now.

    Args:
        path: of the file.
        read: reads the whole of it, and returns the sha256 of what it has read.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    # A named pipe would wait for somebody who writes. Without a buffer each attempt reads the file itself.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with cast("BinaryIO", os.fdopen(descriptor, "rb", buffering=0)) as file:
        attempt = 0
        while True:
            attempt += 1
            before, is_settled = _settled(file, path)
            file.seek(0)
            sha256 = read(file)
            is_whole = _identity(os.fstat(file.fileno())) == before
            if is_whole or attempt == _ATTEMPTS:
                break
    return [*before, sha256] if is_whole and is_settled else [0, 0, 0, before[-1], sha256]


def is_known(state: State) -> bool:
    """Whether a file with the same status as in this state has the same bytes."""
    return bool(state[0] != 0)


def unchanged(path: Path, state: State) -> bool:
    """Whether a file was not written, changed or replaced since its state was taken, nor written back."""
    return is_known(state) and _identity(path.stat()) == state[:-1]


class Contents:
    """The states of files. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[str, State] = {}
        # States that were found in the place of recorded ones, with the same bytes; for one thread.
        self.renewed: dict[str, State] = {}

    def state(self, path: str) -> State:
        """A file's state. Waits a moment where that is how long a change would not show.

        Raises:
            OSError: it cannot be read.
        """
        return self._state(path, _identity(Path(path).stat()))

    def matches(self, path: str, status: os.stat_result, recorded: State) -> bool:
        """Whether a file holds what was recorded; its bytes are read only where something else differs.

        Where they are read and are the same, the state that was compared is in `renewed`.
        """
        identity = _identity(status)
        if recorded[:-1] == identity:
            return True
        now = self._state(path, identity)
        if now[-1] != recorded[-1]:
            return False
        if is_known(now):
            self.renewed[path] = now
        return True

    def forget(self) -> None:
        """Forgets everything, as a new process would know nothing."""
        with self._guard:
            self._known.clear()
        self.renewed.clear()

    def _state(self, path: str, identity: list[int]) -> State:
        with self._guard:
            known = self._known.get(path)
        if known is None or known[:-1] != identity:
            known = observed(Path(path), digest.of_stream)
            if is_known(known):
                with self._guard:
                    self._known[path] = known
        return known


def _settled(file: BinaryIO, path: Path) -> tuple[list[int], bool]:
    """The identity of an open file, and whether a change from now on is bound to show in it."""
    status = os.fstat(file.fileno())
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    if 0 < (wait := filesystem.settles_in(status)) <= _LONGEST_WAIT:
        time.sleep(wait)
        status = os.fstat(file.fileno())
        wait = filesystem.settles_in(status)
    return _identity(status), wait == 0


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size]


# One for the process: a reference of 200 MB is an input of several tasks.
CONTENTS = Contents()
