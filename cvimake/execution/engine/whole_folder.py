"""Packs a whole folder into an archive for a container, and unpacks what the container has made of it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from cvimake.core.removal import remove_tree

# The folder beside the host's, while its new contents arrive; and the old one, while they change places.
_NEW, _OLD = ".new", ".old"
_RIGHTS = 0o755


def members(
    folder: Path, without: Container[str], user: tuple[int, int]
) -> Iterator[tuple[tarfile.TarInfo, Path | None]]:
    """Yield the members of an archive: the folders and plain files of a folder.

    Args:
        folder: the host's folder.
        without: names at its top that are left out.
        user: the numeric user and group that they belong to in the container.
    """
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if inner.parts[0] in without or path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        member = tarfile.TarInfo(str(inner))
        member.mode = path.stat().st_mode & _RIGHTS
        member.uid, member.gid = user
        if path.is_dir():
            member.type = tarfile.DIRTYPE
        yield member, None if path.is_dir() else path


def replace(folder: Path, archive: io.RawIOBase | BinaryIO, without: Container[str]) -> None:
    """Replace the contents of a folder by those of a container's folder.

    Only folders and plain files are taken: a link could lead to any file of the host.

    Args:
        folder: the host's folder.
        archive: the engine's archive of the container's folder; all names in it begin with that folder's.
        without: names at its top that are left out.
    """
    new, old = (folder.with_name(f"{folder.name}{ending}") for ending in (_NEW, _OLD))
    for place in (new, old):
        if place.exists():
            remove_tree(place)
    new.mkdir(mode=0o755)
    with tarfile.open(fileobj=cast("BinaryIO", archive), mode="r|") as opened:
        for member in opened:
            parts = PurePosixPath(member.name).parts[1:]
            if not parts or parts[0] in without or ".." in parts:
                continue
            target = new.joinpath(*parts)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isreg() and (content := opened.extractfile(member)):
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(member.mode & _RIGHTS | 0o600)
    folder.rename(old)
    new.rename(folder)
    remove_tree(old)


def keep_plain(folder: Path) -> list[str]:
    """Remove everything from a folder that is neither a folder nor a plain file; return its names."""
    gone = []
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                path.unlink()
                gone.append(str(path.relative_to(folder)))
            elif path.is_dir():
                # Its owner may have closed it.
                with contextlib.suppress(PermissionError):
                    path.chmod(path.stat().st_mode | 0o700)
    return sorted(gone)
