"""Replacements for functions of `os` that ask about a path. They tell an observer of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cvimake.cli.answers.sights import ABSENT, FILE, LINK

if TYPE_CHECKING:
    from cvimake.cli.answers.observer import Observer


class Status:
    """`os.stat` or `os.lstat`, which tells an observer what it finds.

    An object and no function: in Python 3.10, pathlib keeps it in a class, which would make a method of it.
    """

    def __init__(self, observer: Observer, real: Callable[..., Any], *, follows: bool) -> None:
        self._observer, self._real, self._follows = observer, real, follows

    def __call__(self, path: Any, **options: Any) -> os.stat_result:  # noqa: ANN401 - as `os` has it
        """Return the status of a path."""
        observer, follows = self._observer, self._follows and options.get("follow_symlinks", True)
        if not observer.is_watching or isinstance(path, int):
            return self._real(path, **options)  # type: ignore[no-any-return] # as `os.stat` does
        if options.get("dir_fd") is not None:
            observer.spoil("a path relative to an open folder")
        try:
            status: os.stat_result = self._real(path, **options)
        except (FileNotFoundError, NotADirectoryError):
            observer.note(os.fsdecode(path), FILE if follows else LINK, ABSENT)
            raise
        except OSError as error:
            observer.spoil(str(error))
            raise
        observer.saw(os.fsdecode(path), status, follows=follows)
        return status


class Question:
    """Another function of `os` that asks about a path. An observer looks at the path first."""

    def __init__(self, observer: Observer, real: Callable[..., Any], look: Callable[[str], None]) -> None:
        self._observer, self._real, self._look = observer, real, look

    def __call__(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as `os` has it
        """Return what the function of `os` returns."""
        path = arguments[0] if arguments else -1
        if self._observer.is_watching:
            if isinstance(path, int) or options.get("dir_fd") is not None:
                self._observer.spoil("a question about no path")
            else:
                self._look_at(os.fsdecode(path))
        return self._real(*arguments, **options)

    def _look_at(self, path: str) -> None:
        try:
            self._look(path)
        except OSError as error:
            self._observer.spoil(str(error))
