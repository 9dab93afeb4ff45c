"""Keeps an action's inputs still: the tool reads exactly the bytes whose digests are recorded."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cvimake.core import digest
from cvimake.core.action import Action, Folder
from cvimake.core.content import Contents, State, is_known, observed, unchanged
from cvimake.core.copying import clone
from cvimake.core.errors import CvimakeError

# A larger file is read where it lies, and checked again when the tool has ended. In bytes.
LARGEST_COPY = 64 * 1024 * 1024
# The members of all folders, each under its sha256; the path is relative to a project's folder.
_MEMBERS = Path("build/.inputs/.members")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The files that a tool reads.

    Attributes:
        states: the states of the inputs, by their paths; with the digests of the bytes that the tool reads.
        files: the host's paths of the files, by the names of the inputs.
        folders: the host's paths of the folders, by the paths at which the tool sees them.
        in_place: the inputs that it reads where they lie.
    """

    states: Mapping[str, State]
    files: Mapping[str, Path]
    folders: Mapping[str, Path]
    in_place: Mapping[Path, State]

    def check(self, name: str) -> None:
        """Check that the tool has read the bytes that were there when it began.

        Raises:
            CvimakeError: an input that it read where it lies was changed meanwhile.
        """
        for path, state in self.in_place.items():
            if not unchanged(path, state):
                raise CvimakeError(
                    f"{name}: its input {path} was changed while its tool ran, so its results are dropped",
                    "Start again, and leave the file alone until the stage is done.",
                )


def take(  # noqa: PLR0913, PLR0917 - the places that a snapshot has to do with
    action: Action, root: Path, private: Path, kept: Path, user: tuple[int, int], contents: Contents
) -> Snapshot:
    """Take a snapshot of all inputs of an action.

    A file is copied, unless it is large and its file system shows every change. The members of a folder are
    copied once for all stages that read them. The inputs themselves are never linked: a new link would change
    the file's time of change, and that time tells whether somebody has changed the file.

    Args:
        action: the action that is to run.
        root: the project's folder; relative paths are relative to it.
        private: an empty folder that is removed after the run, and that no other user can enter.
        kept: an empty folder that stays until the action runs again, on the file system of `private`.
        user: numeric user and group of the tool.
        contents: what the build knows of files.

    Raises:
        CvimakeError: an input was edited while it was copied.
        OSError: an input cannot be read, or the disk is full.
    """
    states: dict[str, State] = {}
    sources: dict[str, Path] = {}
    in_place: dict[Path, State] = {}
    for file in action.inputs:
        path = str(file.path)
        if path in sources:
            continue
        source = (root / file.path).resolve()
        state = _provable(source, user, contents)
        if state:
            sources[path], in_place[source] = source, state
        else:
            sources[path] = private / file.name
            state = _copied(source, sources[path], contents)
        states[path] = state
    folders: dict[str, Path] = {}
    for number, folder in enumerate(action.folders):
        folders[folder.target] = kept / str(number)
        for path, state in _filled(folders[folder.target], folder, root, contents).items():
            if states.setdefault(path, state)[-1] != state[-1]:
                raise CvimakeError(
                    f"{action.name}: its input {path} was edited as the stage began", "Start again."
                )
    files = {file.name: sources[str(file.path)] for file in action.inputs}
    return Snapshot(states=states, files=files, folders=folders, in_place=in_place)


def lasting_files(action: Action, root: Path, kept: Path, user: tuple[int, int]) -> dict[str, Path]:
    """Return the inputs for repeating a stage by hand: the files themselves, or copies that stay.

    Args:
        action: the action that runs.
        root: the project's folder.
        kept: a folder that stays until the action runs again.
        user: the tool's user and group; files that they cannot read are copied.
    """
    files: dict[str, Path] = {}
    for file in action.inputs:
        source = (root / file.path).resolve()
        if not can_read(source, user):
            source, original = kept / file.name, source
            shutil.copyfile(original, source)
            source.chmod(0o644)
        files[file.name] = source
    return files


def lasting_folders(action: Action, root: Path, kept: Path, contents: Contents) -> dict[str, Path]:
    """Return the folders of an action, made in `kept`, by the paths at which the tool sees them."""
    folders = {folder.target: kept / str(number) for number, folder in enumerate(action.folders)}
    for folder in action.folders:
        _filled(folders[folder.target], folder, root, contents)
    return folders


def can_read(path: Path, user: tuple[int, int]) -> bool:
    """Tell whether a file's mode lets a user read it, given by numeric user and group."""
    status = path.stat()
    if status.st_uid == user[0]:
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid == user[1]:
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)


def _provable(source: Path, user: tuple[int, int], contents: Contents) -> State | None:
    """Return the state of a file that the tool can read where it lies; None for one that has to be copied."""
    if source.stat().st_size <= LARGEST_COPY or not can_read(source, user):
        return None
    state = contents.state(str(source))
    return state if is_known(state) else None


def _copied(source: Path, target: Path, contents: Contents) -> State:
    """Copy a file for the tool's user; return its state, with the digest of the copy."""

    def copy(reading: BinaryIO) -> str:
        clone(reading, target)
        return digest.of_file(target)

    state = observed(source, copy, contents.file_systems)
    # The folder around it is closed to others.
    target.chmod(0o644)
    return state


def _filled(place: Path, folder: Folder, root: Path, contents: Contents) -> dict[str, State]:
    """Make a folder of exactly the files that belong in it; return their states by their paths."""
    states: dict[str, State] = {}
    place.mkdir()
    with _locked(root / _MEMBERS) as members:
        for name, path in folder.files.items():
            state, member = _member(members, (root / path).resolve(), contents)
            states[str(path)] = state
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(member)
            except OSError:
                # The file system has no hard links, or no more for this file.
                shutil.copy(member, target)
        _remove_unused(members)
    return states


@contextlib.contextmanager
def _locked(members: Path) -> Iterator[Path]:
    """Give the folder of the members to one process at a time: members that nothing links to are removed."""
    members.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(members, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield members
    finally:
        os.close(descriptor)


def _member(members: Path, source: Path, contents: Contents) -> tuple[State, Path]:
    """Return a file's state, and our copy of it with the same bytes."""
    state = contents.state(str(source))
    member = members / state[-1]
    if member.is_file() and digest.of_file(member) == state[-1]:
        return state, member
    new = members / "new"
    state = _copied(source, new, contents)
    return state, new.replace(members / state[-1])


def _remove_unused(members: Path) -> None:
    with os.scandir(members) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_nlink == 1:
                Path(entry.path).unlink()
