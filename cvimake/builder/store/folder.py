"""A store in a folder: of this machine, or of a network file system."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cvimake.builder.store.place import Beat, DamagedError, Stored
from cvimake.core import digest
from cvimake.core.copying import clone

# The folder of unfinished files.
_UNFINISHED = "unfinished"
# Older unfinished files are those of killed builds.
_ABANDONED = 24 * 3600.0
# The store leaves so much of the disk free.
LEAST_FREE = 2 * 1024**3


class FolderPlace:
    """Files below a folder.

    Restored files share their blocks with the store's where the file system can do that so that an edit of
    the one leaves the other as it is (XFS, Btrfs, NFS 4.2); elsewhere they are copies. Hard links are never
    made: an edit in place would reach the store.

    Args:
        root: the folder; made when something is kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str, most: int) -> bytes:
        """See `Place`."""
        with self._opened(name, most) as file:
            return file.read(most)

    def fetch(self, name: str, target: Path, beat: Beat, most: int) -> None:
        """See `Place`."""
        with self._opened(name, most) as file:
            clone(file, target, beat)

    def sha256(self, name: str, beat: Beat, most: int) -> str:
        """See `Place`."""
        with self._opened(name, most) as file:
            return digest.of_stream(file, beat)

    def _opened(self, name: str, most: int) -> BinaryIO:
        """Open a plain file of at most so many bytes. Other users of the store may have left a pipe.

        Raises:
            FileNotFoundError: there is none of that name.
            DamagedError: it is larger, or no plain file.
        """
        # Otherwise the program would wait for a pipe without a writer.
        file = os.fdopen(os.open(self._root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size <= most:
            return file
        file.close()
        if not stat.S_ISREG(status.st_mode):
            raise DamagedError(f"{name} is not a plain file")
        raise DamagedError(f"{name} has {status.st_size} bytes, and at most {most} were put there")

    def size(self, name: str) -> int | None:
        """See `Place`."""
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """See `Place`."""
        with self._whole(name) as unfinished:
            unfinished.write_bytes(content)

    def keep(self, name: str, source: Path, beat: Beat) -> None:
        """See `Place`."""
        self._root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._root).free < LEAST_FREE + source.stat().st_size:
            raise OSError(errno.ENOSPC, f"less than {LEAST_FREE // 1024**3} GiB would be left on its disk")
        with self._whole(name) as unfinished, source.open("rb") as file:
            clone(file, unfinished, beat)

    def touch(self, name: str) -> None:
        """See `Place`."""
        # The store of another user can often only be read.
        with contextlib.suppress(OSError):
            os.utime(self._root / name)

    def remove(self, name: str) -> None:
        """See `Place`."""
        (self._root / name).unlink(missing_ok=True)

    def files(self, folder: str) -> Iterator[Stored]:
        """See `Place`."""
        for parent, _, names in os.walk(self._root / folder):
            for name in names:
                path = Path(parent, name)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    # Another process removes entries as well.
                    continue
                where = path.relative_to(self._root).as_posix()
                yield Stored(name=where, size=status.st_size, used=status.st_mtime)

    def sweep(self) -> None:
        """Remove the unfinished files of killed builds."""
        for file in list(self.files(_UNFINISHED)):
            if file.used < time.time() - _ABANDONED:
                self.remove(file.name)

    @contextlib.contextmanager
    def _whole(self, name: str) -> Iterator[Path]:
        """Yield a place for a file that takes its name when it is complete."""
        folder = self._root / _UNFINISHED
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        unfinished = Path(path)
        try:
            yield unfinished
            target = self._root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            # Other users who share the store must be able to read it, as far as the umask allows.
            unfinished.chmod(0o666 & ~_umask())
            # Not forced to the disk: a file that a power cut damages is found out when it is used.
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process' mask, which can only be read by setting it."""
    # On Linux it can be read without setting it, which matters since other threads make files meanwhile.
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
