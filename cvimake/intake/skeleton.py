"""An ONNX file without its weights, in memory that does not grow with them.

The file is walked by protobuf's wire format and copied, but for the data of large tensors. What is left is
an ordinary ONNX model that the `onnx` package reads; small tensors, such as the shapes of a Reshape, keep
their data.

Source: `onnx.proto` (the field numbers below) and protobuf's encoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cvimake.errors import CvimakeError

# Data of a tensor that is longer is left out, in bytes.
SMALL = 4096
# More structure than this, in bytes, no network has that a camera can run.
LARGEST = 64 * 1024**2
_DEEPEST = 16
_LONGEST_VARINT = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class _Message:
    """A message of `onnx.proto`, as far as weights can lie below it.

    Attributes:
        fields: the messages in it, by number; they are walked as well.
        data: fields that are left out where they are long.
        dropped: fields that are left out always.
    """

    fields: dict[int, _Message] = field(default_factory=dict)
    data: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()


# float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data
_TENSOR = _Message(data=frozenset({4, 5, 6, 7, 9, 10, 11}))
# initializer; sparse_initializer is dropped
_GRAPH = _Message(fields={5: _TENSOR}, dropped=frozenset({15}))
# t, g, tensors, graphs; sparse_tensor and sparse_tensors are dropped
_ATTRIBUTE = _Message(fields={5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH}, dropped=frozenset({22, 23}))
_GRAPH.fields[1] = _Message(fields={5: _ATTRIBUTE})
# graph; training_info is dropped
_MODEL = _Message(fields={7: _GRAPH}, dropped=frozenset({20}))


class _BrokenError(Exception):
    """The bytes are no protobuf message."""


def skeleton(path: Path) -> bytes:
    """The model in a file, without the data of large tensors.

    Raises:
        CvimakeError: it is no ONNX file, cut off, or its structure alone is too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise CvimakeError(f"{path} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            copy = _Copy(data)
            try:
                return b"".join(copy.message(0, len(data), _MODEL, 0))
            except _BrokenError as error:
                raise CvimakeError(f"{path} is not an ONNX file, or is cut off") from error
            except MemoryError as error:
                raise CvimakeError(
                    f"{path}: more than {LARGEST // 1024**2} MB without its weights; no camera runs that"
                ) from error


class _Copy:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._copied = 0

    def message(self, start: int, end: int, kind: _Message, depth: int) -> Iterator[bytes]:
        """The bytes of one message that stay."""
        if depth > _DEEPEST:
            raise _BrokenError
        at = start
        while at < end:
            begin = at
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == _BYTES:
                length, inside = self._varint(at, end)
                at = inside + length
            else:
                inside = at
                at = self._after(at, end, wire)
            if at > end or not number:
                raise _BrokenError
            if number in kind.dropped or (number in kind.data and at - inside > SMALL):
                continue
            if wire == _BYTES and number in kind.fields and at - inside > SMALL:
                inner = b"".join(self.message(inside, at, kind.fields[number], depth + 1))
                yield _as_varint(key) + _as_varint(len(inner)) + inner
            else:
                self._count(at - begin)
                yield self._data[begin:at]

    def _count(self, length: int) -> None:
        self._copied += length
        if self._copied > LARGEST:
            raise MemoryError

    def _after(self, at: int, end: int, wire: int) -> int:
        if wire == _VARINT:
            return self._varint(at, end)[1]
        if wire in {_FIXED64, _FIXED32}:
            return at + (8 if wire == _FIXED64 else 4)
        raise _BrokenError

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for position in range(_LONGEST_VARINT):
            if at >= end:
                break
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has its high bit clear
                return value, at
        raise _BrokenError


def _as_varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
