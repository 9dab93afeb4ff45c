"""Copies of open files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_CHUNK = 64 * 1024 * 1024
_CANNOT_CLONE = frozenset({errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM})


def clone(reading: BinaryIO, target: Path, beat: Callable[[], None] = lambda: None) -> None:
    """Copy an open file. If the file system can do it, the copy shares the blocks of the original.

    Args:
        reading: the file to copy, at its beginning.
        target: the copy; an existing file is overwritten.
        beat: is called after each piece.

    Raises:
        OSError: the file cannot be read, or the copy cannot be written.
    """
    with target.open("wb") as writing:
        left = os.fstat(reading.fileno()).st_size
        try:
            while left > 0 and (
                copied := os.copy_file_range(reading.fileno(), writing.fileno(), min(left, _CHUNK))
            ):
                left -= copied
                beat()
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
        if left > 0:
            # Some file systems cannot copy in this way. Some of these report 0 bytes instead of an error.
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            while chunk := reading.read(_CHUNK):
                writing.write(chunk)
                beat()
