"""Keeps labels in COCO's form: reading them would take a large part of a build with nothing to do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cvimake.core.publication import write_whole

# Raise it when the same labels are read in another way.
_REVISION = 2
# Where they are kept, in a project.
_FOLDER = Path("build/.labels")
# Nanoseconds after which a further change of a file shows in its times, on every file system.
_SETTLED = 3_000_000_000


def kept(root: Path, label: str, purpose: object, files: Iterable[Path], read: Callable[[], bytes]) -> bytes:
    """Return what `read` returns; kept from an earlier call if no file has changed since.

    Args:
        root: the project's folder.
        label: names what is read.
        purpose: everything beside the files that decides what is read; its text must say all of it.
        files: the files that decide it; those that are missing too.
        read: reads them.
    """
    paths = [*map(str, files)]
    states = [_state(path) for path in paths]
    told = json.dumps([_REVISION, repr(purpose), paths, states])
    key = hashlib.sha256(told.encode()).hexdigest()
    path = root / _FOLDER / f"{label}.json"
    head = f"{key}\n".encode()
    try:
        text = path.read_bytes()
    except OSError:
        text = b""
    # The digest of the rest shows a file that was written only partly.
    if text.startswith(head) and text[len(head) :].startswith(_digest(rest := text[len(head) + 65 :])):
        return rest
    content = read()
    if time.time_ns() - max((state[-1] for state in states if state), default=0) > _SETTLED:
        # Where they cannot be kept, they are read again next time.
        with contextlib.suppress(OSError):
            write_whole(path, head + _digest(content) + b"\n" + content)
    return content


def _state(path: str) -> tuple[int, ...]:
    """Return numbers that differ if a file was changed; none if the file is missing."""
    try:
        # Thousands of files: a Path for each would take twice as long.
        status = os.stat(path)  # noqa: PTH116 - for speed, as said above
    except OSError:
        return ()
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times, max(times)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
