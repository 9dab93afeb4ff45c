"""Publishes finished files: all of them or none, and never a part of one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def publish(files: Mapping[Path, Path]) -> None:
    """Move files to their places, and give them the caller as owner and the usual mode.

    All files are complete on the disk before the first one appears, even if the power fails.

    Args:
        files: from each file's present path to its place. Missing folders are made.

    Raises:
        IsADirectoryError: there is a folder at a file's place.
        OSError: the disk is full or cannot be written.
    """
    for target in files.values():
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder, and a result belongs there")
        target.parent.mkdir(parents=True, exist_ok=True)
    ready = {_make_ours(source, target): target for source, target in files.items()}
    for source, target in ready.items():
        source.replace(target)
    for folder in {target.parent for target in files.values()}:
        sync(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that readers see with its earlier content or with the new one, never with a part of it.

    Several processes can write the same file; the last one decides. The disk is not waited for: after a power
    failure the file can be damaged, so it must be one that can be made again.

    Args:
        path: the file. Missing folders are made.
        content: the whole content.

    Raises:
        OSError: the disk is full or cannot be written, or there is a folder at the file's place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    # A link would lead the content to another place.
    new.unlink(missing_ok=True)
    try:
        new.write_bytes(content)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _make_ours(path: Path, target: Path) -> Path:
    """Bring a file beside its target, give it our owner and the usual mode, and write it to the disk.

    Returns:
        The file's new path, from where only a rename is left to do.
    """
    beside = target.with_name(f".{target.name}.new")
    # A link would lead a copy to another place.
    beside.unlink(missing_ok=True)
    try:
        path.rename(beside)
    except OSError as error:
        # A mount of the same file system at another place has the same device, and takes no rename either.
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(path, beside, follow_symlinks=False)
    descriptor = os.open(beside, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return beside


def sync(path: Path) -> None:
    """Write a file's bytes, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
