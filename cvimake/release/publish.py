"""Writes a release: completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from cvimake.core import digest, listing
from cvimake.core.errors import CvimakeError
from cvimake.core.publication import sync
from cvimake.core.removal import remove_tree
from cvimake.release import archive, fields, sums
from cvimake.release.contents import SUMS, Content
from cvimake.release.opened import ARCHIVE_SUFFIX

RECORD_SUFFIX = ".build"
_MOST_SHOWN = 20


def publish(place: Path, files: Mapping[str, Content], epoch: int) -> bool:
    """Write the folder of a release, and its archive beside it.

    Args:
        place: the path of the folder.
        files: the content of each file, by its name in the release.
        epoch: the time that all files get, in seconds since 1970.

    Returns:
        False if exactly this release is there already.

    Raises:
        CvimakeError: another release of this name is there; the error names the differences. Or a file was
            edited while the release was made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for leftover in place.parent.glob(f".{place.name}.*"):
        # A killed process left this. No other process is using it: this one holds the project's lock.
        remove_tree(leftover) if leftover.is_dir() else leftover.unlink()
    if is_new := not place.exists():
        _write_folder(place, files, epoch)
    elif differing := differences(files, existing(place)):
        raise CvimakeError(
            f"{place} exists, and is another release",
            "\n".join(
                [
                    *listing.lines(differing, _MOST_SHOWN),
                    "Give the new release another version (--version), or move the old one away.",
                ]
            ),
        )
    _write_archive(place, files, epoch)
    return is_new


def existing(place: Path) -> dict[str, Content]:
    """Return the files of a folder, by their paths in it."""
    return {
        path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*")) if not path.is_dir()
    }


def differences(files: Mapping[str, Content], others: Mapping[str, Content]) -> list[str]:
    """Return the files that differ between two releases, each with the places where it differs."""
    found = []
    for name in sorted({*files, *others}):
        if name not in files or name not in others:
            found.append(f"{name}: only in one of them")
        elif places := fields.differences(name, _bytes(files[name]), _bytes(others[name])):
            found.append(f"{name}: {'; '.join(places)}")
    return found


def write_record(place: Path, files: Mapping[str, Content]) -> None:
    """Write the build record of a release, and replace an earlier one."""
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        fresh = Path(folder) / "fresh"
        _fill(fresh, files)
        if place.exists():
            place.rename(Path(folder) / "old")
        fresh.rename(place)


def _write_folder(place: Path, files: Mapping[str, Content], epoch: int) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        fresh = Path(folder) / place.name
        _fill(fresh, files)
        _check(fresh, files)
        for path in [*fresh.rglob("*"), fresh]:
            os.utime(path, (epoch, epoch))
            sync(path)
        fresh.rename(place)
    sync(place.parent)


def _fill(folder: Path, files: Mapping[str, Content]) -> None:
    """Write files with fixed permissions, whatever the umask is."""
    folder.mkdir()
    folder.chmod(0o755)
    for name, content in files.items():
        path = folder / name
        for parent in reversed(path.relative_to(folder).parents):
            (folder / parent).mkdir(exist_ok=True)
            (folder / parent).chmod(0o755)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)
        path.chmod(0o644)


def _check(folder: Path, files: Mapping[str, Content]) -> None:
    """Check that the copied files have the digests that the release lists.

    Raises:
        CvimakeError: a file was edited after its digest was taken.
    """
    listed, _ = sums.read(_bytes(files[SUMS]).decode())
    for name, content in files.items():
        if isinstance(content, Path) and digest.of_file(folder / name) != listed.get(name):
            raise CvimakeError(f"{content} was edited while the release was made", "Start again.")


def _write_archive(place: Path, files: Mapping[str, Content], epoch: int) -> None:
    path = place.with_name(place.name + ARCHIVE_SUFFIX)
    fresh = place.with_name(f".{path.name}.new")
    opener: Callable[[str], BinaryIO] = lambda name: (place / name).open("rb")  # noqa: E731 - the annotation gives it a type
    with fresh.open("wb") as file:
        archive.write(file, place.name, files, opener, epoch)
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(0o644)
    fresh.replace(path)
    sync(place.parent)


def _bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
