"""A release as one file.

It is a plain tar without compression: compressed bytes depend on the library and its version (zlib, zlib-ng,
liblzma, zstd), so equal releases could have unequal archives. The ustar format has one way to write a name, a
mode and a time, and everything else in it is fixed here. Python 3.10 to 3.13 write the same bytes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from typing import BinaryIO

from cvimake.core.errors import CvimakeError


def write(
    out: BinaryIO, folder: str, names: Iterable[str], open_file: Callable[[str], BinaryIO], epoch: int
) -> None:
    """Write an archive.

    Args:
        out: is only written to, from front to back.
        folder: the folder that all files unpack into.
        names: the names of the files.
        open_file: opens one of them.
        epoch: the time that all files get, in seconds since 1970.

    Raises:
        CvimakeError: a name is longer than the format can hold.
    """
    # As a stream: `out` cannot seek.
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(names):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.mode, member.mtime = 0o644, epoch
            with open_file(name) as content:
                member.size = content.seek(0, 2)
                content.seek(0)
                try:
                    archive.addfile(member, content)
                except ValueError as error:
                    raise CvimakeError(
                        f"{member.name}: {error}",
                        "An archive holds names of up to 100 characters after the last slash.",
                    ) from error
