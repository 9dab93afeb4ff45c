"""Removes folders that a tool has filled, even if they are nested deeply or closed to writing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

# The beginning of the names that folders get before they are removed. Names that exist already are skipped.
_NAME = ".removed-"


def remove_tree(folder: Path) -> None:
    """Remove a folder and everything in it.

    Each folder inside is first moved to the top. So the length of a path, the depth of the folders and the
    number of open files are no limits.

    Raises:
        OSError: something in it cannot be removed, or it is not a folder.
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
    """Remove everything in a folder except the folders in it; return the names of those."""
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
    """Open a folder for reading and writing, but never through a link."""
    path = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        # The mode of an O_PATH descriptor can only be changed through its name in /proc.
        Path(f"/proc/self/fd/{path}").chmod(0o700)
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=path)
    finally:
        os.close(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
