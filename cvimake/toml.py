"""Reads TOML files, whose every fault is one clear error."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from cvimake.errors import DeclarationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PLACE = re.compile(r" \(at line (\d+), column \d+\)")


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file, and its values.

    Raises:
        DeclarationError: it cannot be read, is not UTF-8, or is not TOML; says where.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode()
        values: dict[str, Any] = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DeclarationError(f"{path}:{line}: not UTF-8 text (byte {data[error.start]:#04x})") from error
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        where = f":{place[1]}" if place else ""
        raise DeclarationError(f"{path}{where}: not TOML: {_PLACE.sub('', str(error))}") from error
    return text, values
