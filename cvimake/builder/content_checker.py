"""doit's comparison of files with what was recorded of them: by their bytes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doit.dependency import Dependency, FileChangedChecker

from cvimake.core.content import NOT_THERE, Contents, State

# The key of the states of a task's targets, in the values that doit keeps of a task.
OUTPUTS = "outputs"
# The key of the states of the files that a task has read, in the values that it returns.
INPUTS = "inputs"


class ContentChecker(FileChangedChecker):
    """A file has changed when its bytes have. doit's own checkers trust an equal modification time.

    Args:
        contents: what the build knows of files.
    """

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self._before: Mapping[str, State] = {}

    @contextlib.contextmanager
    def as_before(self, states: Mapping[str, State]) -> Iterator[None]:
        """Use these states for files: an input that was edited meanwhile is not the input that was read."""
        self._before = states
        try:
            yield
        finally:
            self._before = {}

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: State) -> bool:
        """Tell whether a file's bytes differ from a recorded state."""
        return not self.contents.matches(file_path, file_stat, state)

    def get_state(self, dep: str, current_state: State | None) -> State | None:
        """Return the state to record of a file, or None if the recorded one still holds.

        It is the one that the task ran with. The file's present contents say nothing of that, and no command
        of doit's can record them: without a run, a file counts as changed.
        """
        state = self._before.get(dep, NOT_THERE)
        return None if state == current_state else state


def intact(contents: Contents, values: dict[str, Any], targets: list[str]) -> bool:
    """Tell whether every target holds the bytes that were recorded when it was made.

    Args:
        contents: what the build knows of files.
        values: what doit keeps of the task; see `OUTPUTS`.
        targets: all that the task makes.
    """
    recorded = values.get(OUTPUTS, {})
    try:
        return all(
            target in recorded and contents.matches(target, Path(target).stat(), recorded[target])
            for target in targets
        )
    except OSError:
        return False


def contents_of(records: Dependency) -> Contents:
    """Return what doit's records know of files: nothing where a `dodo.py` uses another checker than ours."""
    checker = records.checker
    return checker.contents if isinstance(checker, ContentChecker) else Contents()
