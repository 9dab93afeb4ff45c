"""Parts of an action's work: what its tool had finished when it was killed, for the next run of the action.

They are kept in `build/.parts`, under the action's name and its key, until the action has ended well.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake.core import announce
from cvimake.core.action import Action
from cvimake.core.removal import remove_tree
from cvimake.execution import logs
from cvimake.execution.engine import PLACE, PLACE_PREFIX
from cvimake.toolchain.container.evaluation.parts import FOLDER, KEY, name_of, sealed

__all__ = (
    "FOLDER",
    "KEY",
    "bring",
    "empty_folder",
    "folder_of",
    "lay",
    "names",
    "remove",
    "rescue",
    "rescued",
)

PARTS = Path("build/.parts")
# The folder of a workspace in which the tool works, and a file beside it that says whose parts it writes.
FILES, NOTE = "files", "parts"
# A tool can write anything: only these names are taken, and no more bytes than that, of one part and of all.
_NAME = re.compile(r"\d{1,9}\.json")
_LARGEST, _MOST = 64 * 1024 * 1024, 1024 * 1024 * 1024
# A key, as in a note.
_KEY = re.compile(r"[0-9a-f]{64}")


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of all parts of an action."""
    return root / PARTS / logs.as_path(name)


def empty_folder(action: Action, within: Path) -> dict[str, Path]:
    """Make the folder in which an action's tool finds parts; return it by the path at which it sees it."""
    if not action.parts:
        return {}
    folder = within / FOLDER
    folder.mkdir(mode=0o755)
    return {action.parts: folder}


def bring(root: Path, action: Action, key: str, workspace: Path, target: Path) -> None:
    """Copy the parts of an action's earlier run to a folder, and tell the user how many there are.

    Parts with another key can no longer be used, and are removed.

    Args:
        root: the project's folder.
        action: the action that is to run.
        key: of all that decides its outputs.
        workspace: where it is to run. After a kill, a note in it tells whose parts lie there.
        target: an empty folder that the tool sees.
    """
    of_action = folder_of(root, action.name)
    for other in of_action.iterdir() if of_action.is_dir() else ():
        if other.name != key:
            remove_tree(other)
    (workspace / NOTE).write_text(f"{action.name}\n{key}", encoding="utf-8")
    (target / KEY).write_text(key, encoding="utf-8")
    if count := _copied(of_action / key, target):
        finished = "1 part of its work is" if count == 1 else f"{count} parts of its work are"
        announce.note(f"{action.name} goes on where it was ended: {finished} finished")


def lay(root: Path, name: str, key: str, files: Mapping[int, Path]) -> None:
    """Put the values of parts that other runs have computed where the next run of an action finds them.

    Args:
        root: the folder that the action runs in.
        name: of the action.
        key: of all that decides its outputs.
        files: the JSON value of each part, by its number.

    Raises:
        OSError, ValueError: a file cannot be read or written, or is no text.
    """
    target = folder_of(root, name) / key
    target.mkdir(parents=True)
    for number, path in files.items():
        text = sealed(key, number, path.read_text(encoding="utf-8"))
        (target / name_of(number)).write_text(text, encoding="utf-8")


def rescue(root: Path, workspace: Path) -> None:
    """Keep the parts that lie in the workspace of a run that did not end well."""
    try:
        name, _, key = (workspace / NOTE).read_text(encoding="utf-8").partition("\n")
    except (OSError, ValueError):
        return
    place = workspace / PLACE
    if place.is_symlink() and place.readlink().name.startswith(PLACE_PREFIX):
        workspace = place.readlink()
    target = folder_of(root, name) / key
    if _KEY.fullmatch(key) and target.resolve().is_relative_to((root / PARTS).resolve()):
        with contextlib.suppress(OSError):
            _copied(workspace / FILES / FOLDER, target)


def names(root: Path) -> list[str]:
    """Return the names of all actions of a project that have parts."""
    folders = sorted((root / PARTS).glob("*/*"))
    return [f"{folder.parent.name}:{folder.name}" for folder in folders if folder.is_dir()]


@contextlib.contextmanager
def rescued(root: Path, workspace: Path) -> Iterator[None]:
    """Keep the parts in a workspace if what is done meanwhile raises an exception."""
    try:
        yield
    except BaseException:
        rescue(root, workspace)
        raise


def remove(root: Path, name: str) -> None:
    """Remove all parts of an action, and the model's folder if it is empty then."""
    folder = folder_of(root, name)
    if folder.is_dir():
        remove_tree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def _copied(source: Path, target: Path) -> int:
    """Copy the plain files that can be parts; return how many there were.

    The folder and its members can be links that lead anywhere: a tool has made them.
    """
    room, count = _MOST, 0
    for name, content in _contents(source):
        room -= len(content)
        if room < 0:
            break
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = target / f"{name}.new"
        new.write_bytes(content)
        new.chmod(0o644)
        new.replace(target / name)
        count += 1
    return count


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    try:
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        opened = os.open(folder.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError:
        return
    finally:
        os.close(parent)
    try:
        for name in sorted(entry.name for entry in os.scandir(opened) if _NAME.fullmatch(entry.name)):
            with contextlib.suppress(OSError):
                # A pipe without a writer would wait for ever.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                with os.fdopen(os.open(name, flags, dir_fd=opened), "rb") as file:
                    status = os.fstat(file.fileno())
                    if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
                        yield name, file.read(_LARGEST)
    finally:
        os.close(opened)
