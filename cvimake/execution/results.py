"""The files that a tool has written: they are checked before anything of them is published."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cvimake.core.action import Output

# The kind of a file is told by this many of its first bytes.
_HEAD = 64


def faults(folder: Path, outputs: Sequence[Output]) -> list[str]:
    """Return what is wrong with the files that a tool should have written to a folder."""
    _open_up(folder, [output.name for output in outputs])
    return [fault for output in outputs if (fault := _fault(folder / output.name, output))]


def _open_up(folder: Path, names: Sequence[str]) -> None:
    """Give back the rights to the results and their folder that a tool may have taken away."""
    folder.chmod(0o755)
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)


def _fault(path: Path, output: Output) -> str:
    """Return what is wrong with one file; empty if nothing is."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return f"its tool did not write {output.name}"
    # A link could point at any file of the host.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return f"{output.name} is not a plain file"
    if status.st_size == 0:
        return f"its tool left {output.name} empty"
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if not output.kind.fits(file.read(_HEAD)):
            return f"{output.name} is not a file of the kind {output.kind.name}"
    return ""
