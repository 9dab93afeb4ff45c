"""What is in files: the sha256 of each, read once for all who ask, and held against what was recorded."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doit.dependency import FileChangedChecker

from cvimake import digest

# A file's inode, its times of modification and of any change in ns, its size, and its sha256; a JSON value.
State = list[Any]

# A change within the clock's own step leaves the times as they are; Linux' is at most 10 ms.
_CLOCK_STEP = 0.02


class Contents:
    """The states of files. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[str, State] = {}
        # Those whose bytes had to be read, since something else about them had changed.
        self.read: set[str] = set()

    def state(self, path: str) -> State:
        """A file's state. Waits until a change after it would show in the file's times.

        Raises:
            OSError: it cannot be read.
        """
        status = Path(path).stat()
        age = time.time() - max(status.st_ctime, status.st_mtime)
        if 0 <= age < _CLOCK_STEP:
            time.sleep(_CLOCK_STEP - age)
            status = Path(path).stat()
        return self._state(path, status)

    def matches(self, path: str, status: os.stat_result, recorded: State) -> bool:
        """Whether a file holds what was recorded; its bytes are read only where something else differs."""
        return recorded[:-1] == _identity(status) or self._state(path, status)[-1] == recorded[-1]

    def _state(self, path: str, status: os.stat_result) -> State:
        identity = _identity(status)
        with self._guard:
            known = self._known.get(path)
        if known is None or known[:-1] != identity:
            known = [*identity, digest.of_file(Path(path))]
            with self._guard:
                self._known[path] = known
                self.read.add(path)
        return known


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size]


# One for the process: a reference of 200 MB is an input of several tasks.
CONTENTS = Contents()


class ContentChecker(FileChangedChecker):  # type: ignore[misc] # doit has no type information
    """A file has changed when its bytes have. doit's own checkers trust an equal modification time."""

    def __init__(self) -> None:
        self._before: Mapping[str, State] = {}

    @contextlib.contextmanager
    def as_before(self, states: Mapping[str, State]) -> Iterator[None]:
        """Takes files to be what they were: an input that was edited meanwhile was not what was read."""
        self._before = states
        try:
            yield
        finally:
            self._before = {}

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: State) -> bool:
        """Whether a file's bytes differ from a recorded state."""
        return not CONTENTS.matches(file_path, file_stat, state)

    def get_state(self, dep: str, current_state: State | None) -> State | None:
        """A file's state, or None where the recorded one still holds."""
        state = self._before.get(dep) or CONTENTS.state(dep)
        return None if state == current_state else state


def intact(values: dict[str, Any], targets: list[str]) -> bool:
    """Whether every target holds the bytes that were recorded when it was made.

    Args:
        values: what doit keeps of the task; see `OUTPUTS`.
        targets: all that the task makes.
    """
    recorded = values.get(OUTPUTS, {})
    try:
        return all(
            target in recorded and CONTENTS.matches(target, Path(target).stat(), recorded[target])
            for target in targets
        )
    except OSError:
        return False


# Under which doit keeps the states of a task's targets.
OUTPUTS = "outputs"
