"""The contents of files: the sha256 of each is computed once, and compared with recorded ones."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from cvimake.core import digest
from cvimake.core.filesystem import FileSystems

# A file's inode, its times of modification and of change in ns, its size, and its sha256; a JSON value.
# An inode of 0 means that times and size cannot show whether the file has changed: its bytes are read again.
State = list[Any]

# A file that changes while it is read is read again, at most this many times in all.
_ATTEMPTS = 3
# The most seconds to wait until a further change of a file would show. If it takes longer, its state is
# unknown.
_LONGEST_WAIT = 0.05
# The state of a file that does not exist. No file has this state.
NOT_THERE: State = [0, 0, 0, -1, ""]


def observed(path: Path, read: Callable[[BinaryIO], str], file_systems: FileSystems) -> State:
    """Read a file and return its state.

    Args:
        path: the file.
        read: reads all of it and returns the sha256 of the bytes.
        file_systems: tells how exact the file's times are.

    Raises:
        OSError: it cannot be read, or is not a plain file.
    """
    # Opening a named pipe would wait for a writer. Without a buffer, each attempt reads the file itself.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with cast("BinaryIO", os.fdopen(descriptor, "rb", buffering=0)) as file:
        attempt = 0
        while True:
            attempt += 1
            before, is_settled = _settled(file, path, file_systems)
            file.seek(0)
            sha256 = read(file)
            is_whole = _identity(os.fstat(file.fileno())) == before
            if is_whole or attempt == _ATTEMPTS:
                break
    return [*before, sha256] if is_whole and is_settled else [0, 0, 0, before[-1], sha256]


def is_known(state: State) -> bool:
    """Tell whether equal times and sizes prove equal bytes for this state."""
    return bool(state[0] != 0)


def unchanged(path: Path, state: State) -> bool:
    """Tell whether a file was certainly not written, changed or replaced since its state was taken."""
    return is_known(state) and _identity(path.stat()) == state[:-1]


class Contents:
    """The states of files, each read once: a reference of 200 MB is an input of several stages.

    One build has one, so that everything in it agrees about a file. Several threads may call its methods.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[str, State] = {}
        self.file_systems = FileSystems()
        # New states of files whose bytes equal the recorded ones. Only one thread uses this.
        self.renewed: dict[str, State] = {}

    def state(self, path: str) -> State:
        """Return a file's state. If a further change would not show yet, wait until it would.

        Raises:
            OSError: it cannot be read.
        """
        return self._state(path, _identity(Path(path).stat()))

    def matches(self, path: str, status: os.stat_result, recorded: State) -> bool:
        """Tell whether a file has the recorded contents. Its bytes are read only if times or size differ.

        If they are read and are equal, the file's new state is put into `renewed`.
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

    def _state(self, path: str, identity: list[int]) -> State:
        with self._guard:
            known = self._known.get(path)
        if known is None or known[:-1] != identity:
            known = observed(Path(path), digest.of_stream, self.file_systems)
            if is_known(known):
                with self._guard:
                    self._known[path] = known
        return known


def _settled(file: BinaryIO, path: Path, file_systems: FileSystems) -> tuple[list[int], bool]:
    """Return the identity of an open file, and whether any change from now on will show in it."""
    status = os.fstat(file.fileno())
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    if 0 < (wait := file_systems.settles_in(status)) <= _LONGEST_WAIT:
        time.sleep(wait)
        status = os.fstat(file.fileno())
        wait = file_systems.settles_in(status)
    return _identity(status), wait == 0


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size]
