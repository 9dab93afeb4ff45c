"""Finds the line of a key in a TOML file, which the parser does not tell.

The text must be valid TOML. Only so much of it is read as it takes to find the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Key = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_QUOTED = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")


def line_of(text: str, key: Key) -> int:
    """Return the line (from 1) of a key, or of the nearest table around it; 1 if there is none."""
    places = _Scanner(text).places
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return text.count("\n", 0, places[key[:length]]) + 1
    return 1


class _Scanner:
    """Finds the offset of every key of a document; `places` has them."""

    def __init__(self, text: str) -> None:
        self.places: dict[Key, int] = {}
        self._text = text
        self._at = 0
        table: Key = ()
        while self._skip(_BLANK) < len(text):
            start = self._at
            if text[self._at] == "[":
                self._at += 2 if text.startswith("[[", self._at) else 1
                table = self._key()
                self._at = text.find("]", self._at) + (2 if text.startswith("[[", start) else 1)
                self.places.setdefault(table, start)
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else len(self._text)
        return self._at

    def _pair(self, table: Key) -> None:
        """Read `key = value`."""
        start = self._at
        key = (*table, *self._key())
        # A dotted key makes the tables on its way.
        for length in range(len(table) + 1, len(key) + 1):
            self.places.setdefault(key[:length], start)
        self._at = self._text.find("=", self._at) + 1
        self._value(key)

    def _key(self) -> Key:
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            start = self._at
            if self._text[start : start + 1] in {'"', "'"}:
                self._skip(_QUOTED)
                parts.append(self._text[start + 1 : self._at - 1])
            else:
                self._skip(_BARE_KEY)
                parts.append(self._text[start : self._at])
            end = self._at
            self._skip(_BLANK)
            if self._text[self._at : self._at + 1] != ".":
                self._at = end
                return tuple(parts)
            self._at += 1

    def _value(self, key: Key) -> None:
        self._skip(_BLANK)
        opening = self._text[self._at : self._at + 1]
        if opening in {'"', "'"}:
            self._skip(_QUOTED)
        elif opening == "{":
            self._items("}", lambda _number: self._pair(key))
        elif opening == "[":
            self._items("]", lambda number: self._element((*key, number)))
        else:
            self._skip(_SCALAR)

    def _element(self, key: Key) -> None:
        self.places.setdefault(key, self._at)
        self._value(key)

    def _items(self, closing: str, read: Callable[[int], None]) -> None:
        """Read everything between brackets, separated by commas."""
        self._at += 1
        number = 0
        while self._skip(_BLANK) < len(self._text) and self._text[self._at] != closing:
            read(number)
            number += 1
            self._skip(_BLANK)
            if self._text[self._at : self._at + 1] == ",":
                self._at += 1
        self._at += 1
