"""Reads an ONNX file without its weights, in memory that does not grow with them.

The file is walked by protobuf's wire format and copied without the data of large tensors. The copy is
an ordinary ONNX model that the `onnx` package reads; small tensors, such as the shapes of a Reshape, keep
their data. The number of its fields and its bytes are bounded: each becomes an object of many bytes when the
model is read.

Source: `onnx.proto` (the field numbers below).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.core.protobuf import BYTES, BrokenError, TooManyError, Walk, varint

# Longer data of a tensor is left out; in bytes.
SMALL = 4096
# More structure than this, in bytes, no network has that a camera can run.
LARGEST = 16 * 1024**2
_DEEPEST = 32


@dataclass(frozen=True)
class _Message:
    """A message of `onnx.proto`.

    Attributes:
        fields: the messages in it, by number; they are walked as well.
        data: fields that are left out where they are long.
        numbers: fields that may hold many numbers in few bytes.
        dropped: fields that are left out always.
    """

    fields: dict[int, _Message] = field(default_factory=dict)
    data: frozenset[int] = frozenset()
    numbers: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()


_TEXTS = _Message()
# dimensions of a shape; tensor, sequence, map, sparse tensor, optional
_OF_SHAPE = _Message(fields={2: _Message(fields={1: _TEXTS})})
_TYPE = _Message(fields={1: _OF_SHAPE, 8: _OF_SHAPE})
_TYPE.fields.update(
    {4: _Message(fields={1: _TYPE}), 5: _Message(fields={2: _TYPE}), 9: _Message(fields={1: _TYPE})}
)
_VALUE = _Message(fields={2: _TYPE, 4: _TEXTS})
_TENSOR = _Message(
    fields={13: _TEXTS, 16: _TEXTS},
    # float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data
    data=frozenset({4, 5, 6, 7, 9, 10, 11}),
    # dims, int32_data, int64_data, uint64_data
    numbers=frozenset({1, 5, 7, 11}),
)
# The initializers, inputs, outputs, value_info, quantization_annotation and metadata; sparse_initializer is
# dropped, and nodes are added below.
_GRAPH = _Message(
    fields={5: _TENSOR, 11: _VALUE, 12: _VALUE, 13: _VALUE, 14: _TEXTS, 16: _TEXTS}, dropped=frozenset({15})
)
# t, g, tensors, graphs, tp, type_protos; sparse_tensor and sparse_tensors are dropped
_ATTRIBUTE = _Message(
    fields={5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 14: _TYPE, 15: _TYPE},
    numbers=frozenset({7, 8}),
    dropped=frozenset({22, 23}),
)
_NODE = _Message(fields={5: _ATTRIBUTE, 9: _TEXTS})
_GRAPH.fields[1] = _NODE
_FUNCTION = _Message(fields={7: _NODE, 9: _TEXTS, 11: _ATTRIBUTE, 12: _VALUE, 14: _TEXTS})
# The graph, opset_import, metadata and functions; training_info is dropped.
_MODEL = _Message(fields={7: _GRAPH, 8: _TEXTS, 14: _TEXTS, 25: _FUNCTION}, dropped=frozenset({20}))


def skeleton(path: Path) -> bytes:
    """Return the model in a file, without the data of large tensors.

    Raises:
        CvimakeError: it is not an ONNX file, is cut off, or its structure alone is too large.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise CvimakeError(f"{path} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                copied = _Copy(data).message(0, len(data), _MODEL, 0)
                return data[:] if copied is None else bytes(copied)
            except BrokenError as error:
                raise CvimakeError(f"{path} is not an ONNX file, or is cut off") from error
            except TooManyError as error:
                raise CvimakeError(
                    f"{path}: its structure without weights is larger than that of any network that a "
                    "camera runs",
                    "Simplify the network (onnxsim), or check whether the file is damaged.",
                ) from error


class _Copy:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._walk = Walk(data)
        self._copied = 0

    def message(self, start: int, end: int, kind: _Message, depth: int) -> bytearray | None:
        """Return the bytes of one message that are kept; None if all of them are."""
        if depth > _DEEPEST:
            raise BrokenError
        changed = bytearray()
        done = start
        for one in self._walk.fields(start, end):
            length = one.end - one.start
            if one.number in kind.dropped or (one.number in kind.data and length > SMALL):
                changed += self._data[done : one.begin]
                done = one.end
                continue
            if one.wire == BYTES and one.number in kind.fields:
                inner = self.message(one.start, one.end, kind.fields[one.number], depth + 1)
                if inner is not None:
                    changed += self._data[done : one.begin]
                    changed += varint(one.number << 3 | BYTES) + varint(len(inner)) + inner
                    done = one.end
                continue
            if one.number in kind.numbers:
                self._walk.count(length)
            self._copied += one.end - one.begin
            if self._copied > LARGEST:
                raise TooManyError
        if done == start:
            return None
        return changed + self._data[done:end]
