"""The sha256 of files, texts and values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1024 * 1024
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def of_file(path: Path, beat: Callable[[], None] = lambda: None) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal; `beat` is called after each piece.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return of_stream(file, beat)


def of_stream(file: BinaryIO, beat: Callable[[], None] = lambda: None) -> str:
    """Return the sha256 of the rest of an open file, in hexadecimal; `beat` is called after each piece."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
        beat()
    return digest.hexdigest()


def of_text(text: str) -> str:
    """Return the sha256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def of_value(value: object) -> str:
    """Return the sha256 of a JSON value, in hexadecimal; the order of keys does not change it."""
    return of_text(_CANONICAL.encode(value))
