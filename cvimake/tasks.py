"""A project's actions as doit tasks."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.dependency import FileChangedChecker
from doit.exceptions import BaseFail, TaskError, TaskFailed
from doit.tools import config_changed

from cvimake import digest
from cvimake.action import Action
from cvimake.errors import CvimakeError, StepFailedError
from cvimake.report import Reporter
from cvimake.spec import DeclaredModel, read_models

# What computes, as every step's input: a new toolchain makes every result stale, an equal one none.
TOOLCHAIN = Path("build/toolchain.json")
TOOLCHAIN_TASK = "toolchain"

Task = dict[str, Any]


class ContentChecker(FileChangedChecker):  # type: ignore[misc] # doit has no type information
    """A file has changed when its bytes have. doit's own checkers trust an equal modification time.

    The state of a file is its inode, modification time in ns, size, and sha256; only where one of the first
    three differs are the bytes read again.
    """

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: list[Any]) -> bool:
        """Whether a file's bytes differ from a recorded state."""
        *seen, recorded = state
        return seen != _identity(file_stat) and digest.of_file(Path(file_path)) != recorded

    def get_state(self, dep: str, current_state: list[Any] | None) -> list[Any] | None:
        """A file's state, or None where the recorded one still holds."""
        status = Path(dep).stat()
        if current_state and current_state[:-1] == _identity(status):
            return None
        return [*_identity(status), digest.of_file(Path(dep))]


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_mtime_ns, status.st_size]


DOIT_CONFIG = {
    "backend": "sqlite3",
    "check_file_uptodate": ContentChecker,
    "dep_file": "build/doit.sqlite",
    "reporter": Reporter,
}


@dataclass(frozen=True)
class Project:
    """A folder with models.

    Attributes:
        root: its absolute path, the one that doit runs in.
    """

    root: Path
    models: tuple[DeclaredModel, ...]

    def toolchain_task(self) -> Task:
        """The task that finds or builds the image and records what computes in it."""
        from cvimake.image import Recipe  # noqa: PLC0415 - needed by this task alone

        return {
            "basename": TOOLCHAIN_TASK,
            "doc": "the image that every step runs in",
            "actions": [(_guarded, [self._record_toolchain])],
            "targets": [str(TOOLCHAIN)],
            "uptodate": [config_changed(Recipe.from_environment().digest())],
            "clean": True,
            "io": {"capture": False},
        }

    def task(self, action: Action) -> Task:
        """An action's task: a subtask of its model."""
        model, _, stage = action.name.partition(":")
        return {
            "basename": model,
            "name": stage,
            "doc": f"{', '.join(file.name for file in action.outputs)}",
            "actions": [(_guarded, [functools.partial(self._run, action)])],
            "file_dep": [str(TOOLCHAIN), *(str(file.path) for file in action.inputs)],
            "targets": [str(file.path) for file in action.outputs],
            # One for all: two of them in one task would share their record.
            "uptodate": [config_changed(digest.of_value(action.definition()))],
            "clean": True,
            "io": {"capture": False},
        }

    def _record_toolchain(self) -> None:
        from cvimake.runtime import Runtime  # noqa: PLC0415 - only a step that runs needs an engine

        runtime = Runtime.of(self.root)
        text = json.dumps(runtime.image.identity, indent=1, sort_keys=True) + "\n"
        path = self.root / TOOLCHAIN
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")

    def _run(self, action: Action) -> None:
        from cvimake.runtime import Runtime  # noqa: PLC0415 - only a step that runs needs an engine

        runtime = Runtime.of(self.root)
        runtime.check(json.loads((self.root / TOOLCHAIN).read_text(encoding="utf-8")))
        runtime.sandbox.run(action)


def open_project(dodo_file: str) -> Project:
    """The project that a `dodo.py` stands in; ends the program where its declarations are wrong."""
    root = Path(dodo_file).resolve().parent
    try:
        # doit opens its database there before any task runs.
        (root / "build").mkdir(exist_ok=True)
        return Project(root, read_models(Path("models")))
    except (CvimakeError, OSError) as error:
        sys.stderr.write(f"cvimake: {error}\n")
        raise SystemExit(getattr(error, "exit_code", 2)) from error


def _guarded(act: Callable[[], None]) -> BaseFail | None:
    """Runs a task's work; what a user can put right becomes doit's failure (1) or error (2)."""
    try:
        act()
    except StepFailedError as error:
        return TaskFailed(str(error))
    except CvimakeError as error:
        return TaskError(str(error))
    return None
