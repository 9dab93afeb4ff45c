"""Publishes finished files: all of them or none, and never a part of one."""

from __future__ import annotations

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
    """Give a file the caller as owner and the usual mode, and write its bytes to the disk.

    Returns:
        The file's path on the target's mount, so that only a rename is left to do.
    """
    if _mount_of(path) != _mount_of(target.parent):
        source, path = path, target.with_name(f".{target.name}.new")
        # A link would lead the copy to another place.
        path.unlink(missing_ok=True)
        shutil.copyfile(source, path, follow_symlinks=False)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def _mount_of(path: Path) -> tuple[int, str]:
    """Return the device of a file or folder, and the kernel's number of its mount.

    Two mounts of one file system have the same device, and the kernel refuses a rename between them.
    """
    descriptor = os.open(path, os.O_PATH)
    try:
        about = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        mounts = [line.split()[1] for line in about.splitlines() if line.startswith("mnt_id:")]
        return os.fstat(descriptor).st_dev, "".join(mounts)
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Write a file's bytes, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
