"""Takes declared members out of an archive. The archive is by a stranger: nothing else of it is written."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from cvimake.fetching.faults import FetchError
from cvimake.fetching.transfer import MOST_UNDECLARED, StoppedError, Wanted

_PIECE = 1024 * 1024
# Bytes of a tar after it is decompressed. A small file can become endlessly large.
_MOST_UNPACKED = 256 * 1024**3
# A tar's reader takes a header's text into memory at once.
_MOST_AT_ONCE = 16 * 1024**2
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError,
           NotImplementedError, ValueError)  # fmt: skip
_COMPRESSED: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - as the others, it leaves the file to its caller
}
_REGULAR = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})


@dataclass(frozen=True, kw_only=True)
class Member:
    """A declared member.

    Attributes:
        wanted: its sum and size.
        part: where to write it.
    """

    wanted: Wanted
    part: Path


def extract(archive: Path, server: str, members: Mapping[str, Member], stop: threading.Event) -> None:
    """Write the declared members, each to its own file.

    Args:
        archive: the file, with the declared sum.
        server: its origin, for messages.
        members: by their paths in the archive.
        stop: ends the work when it is set.

    Raises:
        FetchError: a member is missing, is no plain file, or is not what was declared.
        StoppedError: the user has interrupted it.
    """
    left = dict(members)
    with archive.open("rb") as file:
        try:
            for name, size, content in _members(file, left):
                _write(name, size, content, left.pop(name), stop)
                if not left:
                    return
        except (FetchError, StoppedError):
            raise
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno:
                # It is the disk that fails.
                raise
            raise FetchError("fetch-archive", server=server, what=f"cannot be read: {error}") from error
    raise FetchError("fetch-archive", server=server, what=f"has no member {next(iter(left))}")


def _members(file: BinaryIO, wanted: Mapping[str, Member]) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, declared size and content of each wanted member that the archive has."""
    beginning = file.read(6)
    file.seek(0)
    if beginning.startswith(b"PK"):
        with zipfile.ZipFile(file) as opened:
            for info in opened.infolist():
                if info.filename in wanted:
                    mode = info.external_attr >> 16
                    if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                        raise ValueError(f"{info.filename} is no plain file")
                    with opened.open(info) as content:
                        yield info.filename, info.file_size, content
        return
    unpacked = file
    for magic, opener in _COMPRESSED.items():
        if beginning.startswith(magic):
            unpacked = opener(file)
    with tarfile.open(fileobj=cast("IO[bytes]", _Bounded(unpacked)), mode="r:") as opened_tar:
        while entry := opened_tar.next():
            # Without this, the names of all entries stay in memory.
            opened_tar.members = []  # type: ignore[attr-defined]
            name = entry.name.removeprefix("./")
            if name in wanted:
                if entry.type not in _REGULAR or entry.issparse():
                    raise ValueError(f"{name} is no plain file")
                content = cast("IO[bytes]", opened_tar.extractfile(entry))
                yield name, entry.size, content


def _write(name: str, size: int, content: IO[bytes], member: Member, stop: threading.Event) -> None:
    wanted = member.wanted
    most = wanted.size if wanted.size is not None else MOST_UNDECLARED
    if size > most or (wanted.size is not None and size != wanted.size):
        said = wanted.size if wanted.size is not None else f"at most {most}"
        raise FetchError(
            "fetch-archive", server=wanted.server, what=f"has {name} with {size} bytes instead of {said}"
        )
    digest = hashlib.sha256()
    left = size
    member.part.unlink(missing_ok=True)
    descriptor = os.open(
        member.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(descriptor, "wb") as target:
        # A zip can have more than its list of members says.
        while piece := content.read(min(_PIECE, left + 1)):
            if stop.is_set():
                raise StoppedError
            left -= len(piece)
            if left < 0:
                raise ValueError(f"{name} has more bytes than its header says")
            target.write(piece)
            digest.update(piece)
    if digest.hexdigest() != wanted.sha256:
        member.part.unlink()
        what = f"has {name} with the sha256 {digest.hexdigest()}, but {wanted.sha256} is declared"
        raise FetchError("fetch-archive", server=wanted.server, what=what)


class _Bounded(io.RawIOBase):
    """A tar after decompression, which neither goes on for ever nor is read into memory at once."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, count: int = -1) -> bytes:
        """Read some bytes.

        Raises:
            ValueError: they are too many.
        """
        if not 0 <= count <= _MOST_AT_ONCE or self._file.tell() > _MOST_UNPACKED:
            raise ValueError("it is too large")
        return self._file.read(count)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset.

        Raises:
            ValueError: it is too far.
        """
        if offset > _MOST_UNPACKED:
            raise ValueError("it is too large")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self._file.tell()
