"""Reads protobuf's wire format in bounded time: a stranger may have written the file.

Source: protobuf's description of its encoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# A graph that a camera can run has some ten thousand fields.
MOST_FIELDS = 1_000_000
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


class BrokenError(Exception):
    """The bytes are no protobuf message."""


class TooManyError(Exception):
    """The message has more fields than any network needs."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: its number in the message's definition.
        wire: VARINT, FIXED64, BYTES or FIXED32.
        begin: where the field begins.
        start: where its value begins.
        end: where both end.
        value: the number of a VARINT; otherwise 0.
    """

    number: int
    wire: int
    begin: int
    start: int
    end: int
    value: int


class Walk:
    """A walk over the messages in one file. It ends with an error after a number of fields."""

    def __init__(self, data: mmap.mmap | bytes, most_fields: int = MOST_FIELDS) -> None:
        self.data = data
        self._left = most_fields

    def count(self, values: int) -> None:
        """Count values that become objects of their own, as fields do.

        Raises:
            TooManyError: there are too many.
        """
        self._left -= values
        if self._left < 0:
            raise TooManyError

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield every field of the message that lies between two places.

        Raises:
            BrokenError: these bytes are no message, or a field goes beyond their end.
            TooManyError: the walk has met too many fields.
        """
        at = start
        while at < end:
            begin, value = at, 0
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            inside = at
            if wire == VARINT:
                value, at = self._varint(at, end)
            elif wire == BYTES:
                length, inside = self._varint(at, end)
                at = inside + length
            elif wire in _FIXED_BYTES:
                at += _FIXED_BYTES[wire]
            else:
                raise BrokenError
            if at > end or not number:
                raise BrokenError
            self.count(1)
            yield Field(number, wire, begin, inside, at, value)

    def messages(self, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Yield the places of all values of one field that is a message, a text or bytes."""
        for field in self.fields(start, end):
            if field.number == wanted and field.wire == BYTES:
                yield field.start, field.end

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """Return a number, and where it ends."""
        value = 0
        for position in range(_LONGEST_VARINT):
            if at >= end:
                break
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has its high bit clear
                return value, at
        raise BrokenError


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    data = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
