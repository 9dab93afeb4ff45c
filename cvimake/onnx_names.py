"""The names and input shapes of an ONNX file's graph; its weights are passed over, not read.

Source: `onnx.proto` (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto), protobuf's wire format.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.errors import CvimakeError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_LAST_SHIFT = 63
# Fields, by message.
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT = 1, 5, 11
_NODE_OUTPUT, _NODE_ATTRIBUTE = 2, 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = (5, 10), (6, 11)
_TENSOR_NAME, _TENSOR_EXTERNAL, _ENTRY_KEY, _ENTRY_VALUE = 8, 13, 1, 2
# Graphs in graphs; more is no network.
_DEEPEST = 16
_VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION, _SIZE = 1, 2, 1, 2, 1, 1

Shape = tuple[int, ...]
# Where a value lies in the file.
_Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Names:
    """What an ONNX file's graph calls its tensors.

    Attributes:
        inputs: the shape of each input that is no weight, 0 for an axis that is left open.
        tensors: what its layers put out.
        external: the other files that hold its weights.
    """

    inputs: dict[str, Shape]
    tensors: frozenset[str]
    external: tuple[str, ...]


def read(path: Path) -> Names:
    """The names in an ONNX file.

    Raises:
        CvimakeError: it is cut off or damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            # Of an empty file there is no map.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data)
        except (IndexError, ValueError) as error:
            raise CvimakeError(f"{path} is not an ONNX file, or is cut off") from error


def _read(data: mmap.mmap) -> Names:
    inputs: dict[str, Shape] = {}
    tensors: set[str] = set()
    weights: set[str] = set()
    external: dict[str, None] = {}
    for graph in _all(data, (0, len(data)), _GRAPH):
        for field, value in _fields(data, graph):
            if field == _NODE:
                tensors.update(_text(data, name) for name in _all(data, value, _NODE_OUTPUT))
            elif field == _INITIALIZER:
                weights.update(_text(data, name) for name in _all(data, value, _TENSOR_NAME))
            elif field == _INPUT:
                inputs.update(
                    {_text(data, name): _shape(data, value) for name in _all(data, value, _VALUE_NAME)}
                )
        external.update(
            (location, None) for tensor in _tensors(data, graph) for location in _locations(data, tensor)
        )
    # Old exporters list the weights among the inputs.
    own = {name: shape for name, shape in inputs.items() if name not in weights}
    return Names(inputs=own, tensors=frozenset(tensors - {""}), external=tuple(external))


def _tensors(data: mmap.mmap, graph: _Span, depth: int = 0) -> Iterator[_Span]:
    """Where every fixed tensor of a graph lies, also those in its nodes and in the graphs inside them."""
    if depth > _DEEPEST:
        raise IndexError(depth)
    yield from _all(data, graph, _INITIALIZER)
    for node in _all(data, graph, _NODE):
        for attribute in _all(data, node, _NODE_ATTRIBUTE):
            for field, value in _fields(data, attribute):
                if field in _ATTRIBUTE_TENSORS and value[1] >= 0:
                    yield value
                elif field in _ATTRIBUTE_GRAPHS and value[1] >= 0:
                    yield from _tensors(data, value, depth + 1)


def _locations(data: mmap.mmap, tensor: _Span) -> Iterator[str]:
    for entry in _all(data, tensor, _TENSOR_EXTERNAL):
        keys = [_text(data, key) for key in _all(data, entry, _ENTRY_KEY)]
        if keys == ["location"]:
            yield from (_text(data, value) for value in _all(data, entry, _ENTRY_VALUE))


def _shape(data: mmap.mmap, value: _Span) -> Shape:
    spans = [value]
    for field in (_VALUE_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION):
        spans = [inner for span in spans for inner in _all(data, span, field)]
    sizes = []
    for span in spans:
        numbers = [number for field, (number, kind) in _fields(data, span) if (field, kind) == (_SIZE, -1)]
        sizes.append(numbers[0] if numbers else 0)
    return tuple(sizes)


def _text(data: mmap.mmap, span: _Span) -> str:
    return data[span[0] : span[1]].decode()


def _all(data: mmap.mmap, message: _Span, wanted: int) -> Iterator[_Span]:
    """Where each value of a field of bytes lies."""
    return (span for field, span in _fields(data, message) if field == wanted and span[1] >= 0)


def _fields(data: mmap.mmap, message: _Span) -> Iterator[tuple[int, _Span]]:
    """Every field of a message: its number, and where its bytes lie, or (number, -1) for a number.

    Raises:
        IndexError: it goes beyond its end.
    """
    at, end = message
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, (number, -1)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise IndexError(at)
        if at + length > end:
            raise IndexError(at)
        yield key >> 3, (at, at + length)
        at += length


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for shift in range(0, _LAST_SHIFT + 1, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has its high bit clear
            return value, at
    raise IndexError(at)
