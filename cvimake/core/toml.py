"""Reads TOML files. Every fault becomes one clear error."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from cvimake.core import toml_faults
from cvimake.core.errors import DeclarationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Nobody writes a larger file by hand, and reading one can take unlimited time and memory.
_MOST_BYTES = 1024 * 1024
_DEEP_KEY = re.compile(r"""^[\s\[]*(?:["'\w-]+\s*\.\s*){32}""", re.MULTILINE)


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a TOML file and return its text and its values.

    Raises:
        DeclarationError: it cannot be read, is not UTF-8, or is not TOML. The error names the line.
    """
    try:
        data = read_plain(path, _MOST_BYTES)
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DeclarationError(f"{path}: {error}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DeclarationError(f"{path}:{line}: not UTF-8 text (byte {data[error.start]:#04x})") from error
    try:
        values = _values(text)
    except tomllib.TOMLDecodeError as error:
        line, what = toml_faults.explain(str(error), text)
        raise DeclarationError(f"{path}:{line}: not TOML: {what}") from error
    except RecursionError as error:
        raise DeclarationError(f"{path}: nested too deeply") from error
    except ValueError as error:
        # A number with thousands of digits.
        raise DeclarationError(f"{path}: not TOML: {error}") from error
    return text, values


def _values(text: str) -> dict[str, Any]:
    if _DEEP_KEY.search(text):
        raise RecursionError
    values: dict[str, Any] = tomllib.loads(text)
    return values


def read_plain(path: Path, most: int) -> bytes:
    """Return the contents of a plain file. A pipe or a device could be endless.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a plain file, or larger than `most` bytes.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no plain file")
    if status.st_size > most:
        raise ValueError(f"is too large: {status.st_size} bytes, {most} at most")
    return path.read_bytes()
