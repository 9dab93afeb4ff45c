"""Reads the arrays of a large JSON object one element at a time, with the place of each.

A COCO file has all its objects in one array. Read as a whole, it needs ten times its size of memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")


class JsonFaultError(Exception):
    """The text is not the JSON that was expected.

    Attributes:
        offset: where, in characters.
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an array: the array's name, the element's index, its offset in the text, its value."""

    array: str
    index: int
    offset: int
    value: Any

    @property
    def key(self) -> str:
        """`annotations[3]`."""
        return f"{self.array}[{self.index}]"


def elements(text: str, arrays: Container[str]) -> Iterator[Element]:
    """Yield the elements of the named arrays of a JSON object, in the order of the text.

    Raises:
        JsonFaultError: the text is no JSON object, one of these members is no array or is there twice, or a
            number is NaN or infinite.
    """
    return _Scanner(text).members(arrays)


class _Scanner:
    """Walks through the two outer levels itself; Python's own decoder reads each value in them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder(parse_constant=_refuse)

    def members(self, arrays: Container[str]) -> Iterator[Element]:
        seen = set()
        self._expect("{", "a COCO file is a JSON object: { ... }")
        for _ in self._separated("}"):
            start = self._at
            name = self._value()
            if not isinstance(name, str):
                raise JsonFaultError("a key in quotes is missing here", start)
            self._expect(":", f"a colon is missing after {name[:40]!r}")
            if name not in arrays:
                self._value()
                continue
            if name in seen:
                raise JsonFaultError(f"{name!r} is there twice", start)
            seen.add(name)
            self._expect("[", f"{name!r} is no list")
            for index in self._separated("]"):
                offset = self._at
                yield Element(name, index, offset, self._value())
        if self._next():
            raise JsonFaultError("there is text after the end of the object", self._at)

    def _separated(self, closing: str) -> Iterator[int]:
        """Yield a number at the beginning of each item, up to the closing bracket."""
        number = 0
        if self._next() == closing:
            self._at += 1
            return
        while True:
            self._next()
            yield number
            number += 1
            if self._next() == closing:
                self._at += 1
                return
            self._expect(",", f"a comma or the closing {closing} is missing")

    def _next(self) -> str:
        """Skip space and return the next character, or an empty text at the end."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # matches always
        return self._text[self._at : self._at + 1]

    def _expect(self, character: str, otherwise: str) -> None:
        if self._next() != character:
            raise JsonFaultError(otherwise, self._at)
        self._at += 1

    def _value(self) -> Any:  # noqa: ANN401 - any JSON value
        self._next()
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise JsonFaultError(f"not JSON: {error.msg[0].lower()}{error.msg[1:]}", error.pos) from error
        except RecursionError as error:
            raise JsonFaultError("nested too deeply", self._at) from error
        except ValueError as error:
            # NaN, or a number with thousands of digits.
            raise JsonFaultError(f"not JSON: {error}", self._at) from error
        return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
