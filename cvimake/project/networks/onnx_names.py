"""Reads the names and input shapes of an ONNX file's graph, but not its weights.

Source: `onnx.proto` (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto), protobuf's wire format.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.core.protobuf import BYTES, MOST_FIELDS, VARINT, BrokenError, TooManyError, Walk

# Fields, by message.
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
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
    """The names of the tensors in an ONNX file's graph.

    Attributes:
        inputs: the shape of each input that is not a weight, with 0 for an axis that is left open.
        outputs: the tensors that the network ends in, in their order.
        tensors: the outputs of its layers.
        external: the other files that hold its weights.
    """

    inputs: dict[str, Shape]
    outputs: tuple[str, ...]
    tensors: frozenset[str]
    external: tuple[str, ...]


def read(path: Path) -> Names:
    """Return the names in an ONNX file.

    Raises:
        CvimakeError: it is cut off or damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            # Of an empty file there is no map.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(Walk(data), len(data))
        except TooManyError as error:
            raise CvimakeError(
                f"{path}: its structure has more than {MOST_FIELDS} fields, more than that of any network "
                "for a camera",
                "Simplify the network (onnxsim), or check whether the file is damaged.",
            ) from error
        except (BrokenError, ValueError) as error:
            raise CvimakeError(f"{path} is not an ONNX file, or is cut off") from error


def _read(walk: Walk, size: int) -> Names:
    inputs: dict[str, Shape] = {}
    outputs: list[str] = []
    tensors: set[str] = set()
    weights: set[str] = set()
    external: dict[str, None] = {}
    for graph in walk.messages(0, size, _GRAPH):
        for field in walk.fields(*graph):
            value = (field.start, field.end)
            if field.wire != BYTES:
                continue
            if field.number == _NODE:
                tensors.update(_text(walk, name) for name in walk.messages(*value, _NODE_OUTPUT))
            elif field.number == _INITIALIZER:
                weights.update(_text(walk, name) for name in walk.messages(*value, _TENSOR_NAME))
            elif field.number == _INPUT:
                inputs.update(
                    {_text(walk, name): _shape(walk, value) for name in walk.messages(*value, _VALUE_NAME)}
                )
            elif field.number == _OUTPUT:
                outputs += [_text(walk, name) for name in walk.messages(*value, _VALUE_NAME)]
        external.update(
            (location, None) for tensor in _tensors(walk, graph) for location in _locations(walk, tensor)
        )
    # Old exporters list the weights among the inputs.
    own = {name: shape for name, shape in inputs.items() if name not in weights}
    return Names(
        inputs=own,
        outputs=tuple(outputs),
        tensors=frozenset(tensors - {""}),
        external=tuple(external),
    )


def _tensors(walk: Walk, graph: _Span, depth: int = 0) -> Iterator[_Span]:
    """Yield the place of every fixed tensor of a graph, also in its nodes and in the graphs inside them."""
    if depth > _DEEPEST:
        raise BrokenError
    yield from walk.messages(*graph, _INITIALIZER)
    for node in walk.messages(*graph, _NODE):
        for attribute in walk.messages(*node, _NODE_ATTRIBUTE):
            for field in walk.fields(*attribute):
                if field.wire != BYTES:
                    continue
                if field.number in _ATTRIBUTE_TENSORS:
                    yield field.start, field.end
                elif field.number in _ATTRIBUTE_GRAPHS:
                    yield from _tensors(walk, (field.start, field.end), depth + 1)


def _locations(walk: Walk, tensor: _Span) -> Iterator[str]:
    for entry in walk.messages(*tensor, _TENSOR_EXTERNAL):
        keys = [_text(walk, key) for key in walk.messages(*entry, _ENTRY_KEY)]
        if keys == ["location"]:
            yield from (_text(walk, value) for value in walk.messages(*entry, _ENTRY_VALUE))


def _shape(walk: Walk, value: _Span) -> Shape:
    spans = [value]
    for number in (_VALUE_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION):
        spans = [inner for span in spans for inner in walk.messages(*span, number)]
    sizes = []
    for span in spans:
        numbers = [
            field.value for field in walk.fields(*span) if (field.number, field.wire) == (_SIZE, VARINT)
        ]
        sizes.append(numbers[0] if numbers else 0)
    return tuple(sizes)


def _text(walk: Walk, span: _Span) -> str:
    return walk.data[span[0] : span[1]].decode()
