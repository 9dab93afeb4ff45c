"""The folders in which stages run, below a project's `build`. Each belongs to one process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cvimake.core.removal import remove_tree
from cvimake.execution import parts
from cvimake.execution.engine import PLACE, PLACE_PREFIX

_SCRATCH = Path("build/.work")
# A file in each workspace that is locked as long as its process lives, however that ends.
_IN_USE = "in_use"
# A file beside the workspaces that is locked while one is made, or while abandoned ones are looked for.
_TURN = Path("build/.work.lock")


@contextlib.contextmanager
def workspace(root: Path) -> Iterator[Path]:
    """Make a folder that no other user can enter, on the file system of a project's results."""
    scratch = root / _SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    with _locked(root / _TURN):
        folder = Path(tempfile.mkdtemp(dir=scratch))
        in_use = (folder / _IN_USE).open("w", encoding="utf-8")
        fcntl.flock(in_use, fcntl.LOCK_EX)
    with in_use:
        try:
            yield folder
        finally:
            remove_tree(folder)


def sweep(root: Path) -> None:
    """Remove the workspaces of processes that were killed; those of living processes stay.

    Parts of their work are kept. The container of a killed process may still write until the engine is
    next used. What cannot be removed for that reason is removed the next time.
    """
    scratch = root / _SCRATCH
    if not scratch.is_dir():
        return
    with _locked(root / _TURN):
        for leftover in scratch.iterdir():
            if _is_in_use(leftover):
                continue
            parts.rescue(root, leftover)
            place = leftover / PLACE
            if place.is_symlink() and place.readlink().name.startswith(PLACE_PREFIX):
                with contextlib.suppress(OSError):
                    remove_tree(place.readlink())
            try:
                remove_tree(leftover)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.ENOENT}:
                    raise


def _is_in_use(folder: Path) -> bool:
    try:
        with (folder / _IN_USE).open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        # Its process was killed while it was making the folder.
        return False
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
