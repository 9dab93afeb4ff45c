"""Keeps what is finished, so that an evaluation that was killed goes on where it was.

A part is a file with a digest and a JSON value. cvimake brings the parts of an evaluation that was killed to
the next one with the same key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")

# The folder in the working directory into which a program writes its parts.
FOLDER = "parts"
# A file beside the earlier parts with the key of all that decides the values. Without it, nothing is kept.
KEY = "key"
_SUFFIX = ".json"


class Parts:
    """The parts of one evaluation.

    Args:
        earlier: the folder with the parts of an evaluation that was killed, and with their key.
        folder: where new ones are written.
    """

    def __init__(self, earlier: Path, folder: Path = Path(FOLDER)) -> None:
        self._earlier, self._folder = earlier, folder
        try:
            self._key = (earlier / KEY).read_text(encoding="utf-8")
        except OSError:
            self._key = ""

    def read(self, number: int, parse: Callable[[Any], Value]) -> Value | None:
        """Return a part; None if it is not there, was damaged, or is of another evaluation.

        Args:
            number: the part's.
            parse: makes the value of the JSON; it raises LookupError, TypeError or ValueError for any other.
        """
        if not self._key:
            return None
        try:
            digest, _, body = (self._earlier / name_of(number)).read_text(encoding="utf-8").partition("\n")
            return parse(json.loads(body)) if digest == _digest(self._key, number, body) else None
        except (OSError, LookupError, TypeError, ValueError, RecursionError):
            return None

    def write(self, number: int, value: Any) -> None:  # noqa: ANN401 - any JSON
        """Write a part as a whole. It is not forced to the disk: a damaged one is not used."""
        if not self._key:
            return
        self._folder.mkdir(exist_ok=True)
        new = self._folder / f"{number}.new"
        new.write_text(sealed(self._key, number, json.dumps(value)), encoding="utf-8")
        new.replace(self._folder / name_of(number))


def name_of(number: int) -> str:
    """Return the name of a part's file."""
    return f"{number}{_SUFFIX}"


def sealed(key: str, number: int, body: str) -> str:
    """Return the contents of a part's file.

    Args:
        key: of the evaluation.
        number: the part's.
        body: its value, as JSON.
    """
    return f"{_digest(key, number, body)}\n{body}"


def _digest(key: str, number: int, body: str) -> str:
    return hashlib.sha256(f"{key}\n{number}\n{body}".encode()).hexdigest()
