"""Reads a release that may come from a stranger, as a folder or an archive, without trusting anything in it.

Nothing is unpacked, no link is followed, and only names are used that were found among the files themselves.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from cvimake.core import digest
from cvimake.core.errors import CvimakeError
from cvimake.release import sums

ARCHIVE_SUFFIX, SIGNATURE_SUFFIX = ".tar", ".sig"
# A real release is far below these limits. A larger one is an attack on its reader.
LARGEST_FILE, MOST_FILES = 2 * 1024**3, 100_000
LARGEST_TEXT = 64 * 1024**2


class Opened(Protocol):
    """The files of a release.

    Attributes:
        path: the path of the folder or archive.
        label: NAME-VERSION.
        sizes: the size of each file in bytes, by its name.
        faults: things that are there and do not belong in a release.
    """

    path: Path
    label: str
    sizes: dict[str, int]
    faults: list[str]

    def open(self, name: str) -> BinaryIO:
        """Open one of its files for reading."""


class FolderRelease:
    """A release as a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = path.name
        self.sizes: dict[str, int] = {}
        self.faults: list[str] = []
        for entry in self._walk(path, ""):
            self.faults.append(entry)

    def open(self, name: str) -> BinaryIO:
        """Open one of its files for reading."""
        descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        return os.fdopen(descriptor, "rb")

    def _walk(self, folder: Path, prefix: str) -> Iterator[str]:
        """Collect the files of a folder, and yield the faults."""
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        if not entries:
            yield f"{prefix or '.'}: an empty folder"
        for entry in entries:
            name = prefix + entry.name
            status = entry.stat(follow_symlinks=False)
            if not sums.is_safe(name):
                yield f"{name!r}: no file of a release can have this name"
            elif stat.S_ISDIR(status.st_mode):
                yield from self._walk(folder / entry.name, f"{name}/")
            elif not stat.S_ISREG(status.st_mode):
                yield f"{name}: not a plain file"
            elif status.st_size > LARGEST_FILE:
                yield f"{name}: larger than any file of a release"
            elif len(self.sizes) >= MOST_FILES:
                yield f"{name}: one file too many"
                return
            else:
                self.sizes[name] = status.st_size


class ArchiveRelease:
    """A release as a tar archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = path.name.removesuffix(ARCHIVE_SUFFIX)
        self.sizes: dict[str, int] = {}
        self.faults: list[str] = []
        self._places: dict[str, int] = {}
        with path.open("rb") as file:
            try:
                self._list(file)
            except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
                raise CvimakeError(f"{path}: not an archive of a release: {error}") from error

    def _list(self, file: BinaryIO) -> None:
        end = file.seek(0, 2)
        file.seek(0)
        for member in _members(file):
            folder, _, name = member.name.partition("/")
            if member.size < 0 or member.offset_data + member.size > end:
                self.faults.append(f"{member.name!r}: larger than the archive, or cut off")
                return
            if folder != self.label or not sums.is_safe(name):
                self.faults.append(f"{member.name!r}: no file of {self.label} can have this name")
            elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                self.faults.append(f"{name}: not a plain file")
            elif name in self.sizes:
                self.faults.append(f"{name}: is there twice")
            elif member.size > LARGEST_FILE:
                self.faults.append(f"{name}: larger than any file of a release")
            elif len(self.sizes) >= MOST_FILES:
                self.faults.append(f"{name}: one file too many")
                return
            else:
                self.sizes[name] = member.size
                self._places[name] = member.offset_data

        # A damaged header looks like the end of the archive, so its length has to fit too.
        blocks = sum(1 + -(-size // tarfile.BLOCKSIZE) for size in self.sizes.values()) + 2
        if end != -(-blocks * tarfile.BLOCKSIZE // tarfile.RECORDSIZE) * tarfile.RECORDSIZE:
            last = max(self.sizes, default="its beginning", key=self._places.__getitem__)
            self.faults.append(f"{self.path.name}: damaged or cut off after {last}")

    def open(self, name: str) -> BinaryIO:
        """Open one of its files for reading."""
        return cast("BinaryIO", io.BufferedReader(_Part(self.path, self._places[name], self.sizes[name])))


def _members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of an archive, one after another.

    `tarfile.open` is not used: it follows headers about other headers. A chain of them ends in a
    RecursionError, and their sizes can ask for any amount of memory. An archive of a release has none.
    """
    offset = 0
    while True:
        file.seek(offset)
        try:
            member = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            if not offset:
                raise
            return
        member.offset_data = offset + tarfile.BLOCKSIZE
        yield member
        offset = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


class _Part(io.RawIOBase):
    """A part of a file, as a file for reading."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._start, self._size = start, size
        self._file.seek(start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has places to go to."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # it is always given one
        """Read bytes into a buffer, and return their number."""
        left = self._start + self._size - self._file.tell()
        data = self._file.read(min(len(buffer), left))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the part, and return it."""
        start = {
            os.SEEK_SET: self._start,
            os.SEEK_CUR: self._file.tell(),
            os.SEEK_END: self._start + self._size,
        }
        return self._file.seek(start[whence] + offset) - self._start


def open_release(path: Path) -> Opened:
    """Open a release.

    Raises:
        CvimakeError: there is none at this path.
    """
    # A link that leads to itself does not exist.
    if path.is_symlink() and path.exists():
        path = path.resolve()
    if path.is_dir():
        return FolderRelease(path.resolve())
    if path.is_file():
        return ArchiveRelease(path)
    raise CvimakeError(
        f"no release {path}", "A release is a folder, or its archive: release/NAME-VERSION.tar"
    )


def read(opened: Opened, name: str) -> bytes:
    """Return the bytes of a small file of a release.

    Raises:
        CvimakeError: it is missing, or too large to be read at once.
    """
    if name not in opened.sizes:
        raise CvimakeError(f"{name}: missing")
    if opened.sizes[name] > LARGEST_TEXT:
        raise CvimakeError(f"{name}: larger than such a file can be")
    with opened.open(name) as file:
        return file.read(LARGEST_TEXT + 1)


def sha256(opened: Opened, name: str) -> str:
    """Return the sha256 of a file of a release."""
    with opened.open(name) as file:
        return digest.of_stream(file)


def beside(opened: Opened, suffix: str) -> Path | None:
    """Return the path of the archive or signature beside a release; None if there is none."""
    path = opened.path.parent / f"{opened.label}{suffix}"
    with contextlib.suppress(OSError):
        if path.is_file() and path != opened.path:
            return path
    return None
