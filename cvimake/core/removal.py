"""Removes folders that a tool has filled: nested without end, closed to writing, whatever it left there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# Folders that are on their way out are called so; other names are passed over where they are taken.
_NAME = ".removed-"


def remove_tree(folder: Path) -> None:
    """Removes a folder and all that is in it.

    A folder inside is first moved to the top. So neither the length of a path nor the depth of the folders,
    nor the number of open files, is a limit.

    Raises:
        OSError: something in it cannot be removed, or it is no folder.
    """
    with _opened(str(folder), None) as top:
        number = 0
        while names := _emptied(top):
            for name in names:
                with _opened(name, top) as inner:
                    for entry in _emptied(inner):
                        number = _free_number(number, top)
                        # A folder that is closed to writing cannot be moved.
                        with _opened(entry, inner):
                            os.rename(entry, f"{_NAME}{number}", src_dir_fd=inner, dst_dir_fd=top)
                os.rmdir(name, dir_fd=top)
    folder.rmdir()


def _emptied(folder: int) -> list[str]:
    """Removes what is in a folder, all but the folders; returns their names."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _free_number(last: int, top: int) -> int:
    number = last + 1
    with contextlib.suppress(FileNotFoundError):
        while os.stat(f"{_NAME}{number}", dir_fd=top, follow_symlinks=False):
            number += 1
    return number


@contextlib.contextmanager
def _opened(name: str, within: int | None) -> Iterator[int]:
    """A folder that was opened to reading and writing, and never a link to one."""
    path = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        # A descriptor of this kind is changed by its name among the process's own.
        Path(f"/proc/self/fd/{path}").chmod(0o700)
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=path)
    finally:
        os.close(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
