"""The graph of an ONNX file: nodes, tensors, shapes; no weights."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cvimake.core.graph import reached
from cvimake.project.networks import shape_values

# One number for each axis; None if the file does not have it.
Shape = tuple[int | None, ...]
_IMAGE_AXES = 4


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operator.

    Attributes:
        attributes: numbers, texts, and lists of numbers. A file can give any name any of them, or another
            value, which is None here.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str = ""
    attributes: Mapping[str, Any]

    @property
    def is_depthwise(self) -> bool:
        """Whether it is a convolution of groups of channels."""
        groups = self.attributes.get("group")
        return self.op == "Conv" and isinstance(groups, int) and groups > 1

    def input_at(self, place: int) -> str:
        """Return the name of an input; empty if the node has none at that place."""
        return self.inputs[place] if place < len(self.inputs) else ""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A graph.

    Attributes:
        inputs: shapes by name, weights left out.
        outputs: shapes by name, in the graph's order.
        shapes: the shape of every tensor whose shape is known.
        constants: names of weights and other tensors that are in the file.
        metadata: the exporter's notes beside the graph.
        assumed: the lengths that were assumed for axes whose length the file leaves open, as sentences.
    """

    ir: int
    opset: int
    nodes: tuple[Node, ...]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    shapes: Mapping[str, Shape]
    constants: frozenset[str]
    metadata: Mapping[str, str]
    assumed: tuple[str, ...] = ()
    parameters: int = 0

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node that each tensor comes from."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each tensor."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def shape(self, tensor: str) -> Shape:
        """Return a tensor's shape; empty if it is not known."""
        return self.shapes.get(tensor, ())

    def behind(self, tensors: Iterable[str]) -> tuple[Node, ...]:
        """Return the nodes that compute the tensors, in the graph's order."""
        computed = reached(tensors, self._inputs_of)
        return tuple(node for node in self.nodes if not computed.keys().isdisjoint(node.outputs))

    def attends(self, tensors: Iterable[str]) -> bool:
        """Tell whether computed tensors are multiplied on the way to these, as attention does."""
        return any(
            node.op == "MatMul" and self.constants.isdisjoint(node.inputs) for node in self.behind(tensors)
        )

    def _inputs_of(self, tensor: str) -> tuple[str, ...]:
        """Return the inputs of the node that computes a tensor."""
        return self.producers[tensor].inputs if tensor in self.producers else ()


def from_model(model: Any) -> Network:  # noqa: ANN401 - onnx.ModelProto, which is only imported where it is needed
    """Return the graph of a model that the `onnx` package has read."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    assumed = tuple(_settle(graph, constants, metadata))
    known = {entry.domain for entry in model.opset_import}
    for domain in sorted({node.domain for node in graph.node} - known):
        # The onnx package ignores unknown operators, but only if their domain has a version.
        model.opset_import.add(domain=domain, version=1)
    graph = shape_values.inferred(model)
    constants = {tensor.name for tensor in graph.initializer}
    tensors = [*graph.value_info, *graph.input, *graph.output]
    shapes = {value.name: _shape(value) for value in tensors if value.type.HasField("tensor_type")}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = tuple(_node(node) for node in graph.node)
    constants |= {output for node in nodes if node.op == "Constant" for output in node.outputs}
    return Network(
        ir=model.ir_version,
        opset=next((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), 0),
        nodes=nodes,
        inputs={value.name: _shape(value) for value in graph.input if value.name not in constants},
        outputs={value.name: shapes.get(value.name, ()) for value in graph.output},
        shapes=shapes,
        constants=frozenset(constants),
        metadata=metadata,
        assumed=assumed,
        parameters=sum(math.prod(tensor.dims) for tensor in model.graph.initializer),
    )


def _settle(graph: Any, constants: set[str], metadata: Mapping[str, str]) -> Iterable[str]:  # noqa: ANN401 - onnx.GraphProto
    """Give open axes of the inputs a length, if one is known, and yield a sentence about each.

    The shapes of other tensors in the file are then removed, so that they are inferred again.
    """
    sizes = image_size(metadata)
    settled = False
    for value in graph.input:
        axes = value.type.tensor_type.shape.dim
        if value.name in constants:
            continue
        for number, axis in enumerate(axes):
            length = 0 if axis.dim_value > 0 else _length(number, len(axes), sizes)
            if length:
                yield f"axis {number} of {value.name} is open ({axis.dim_param or '?'}): taken as {length}"
                axis.Clear()
                axis.dim_value = length
                settled = True
    if settled:
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")


def _length(axis: int, axes: int, sizes: tuple[int, int] | None) -> int:
    if axis == 0:
        return 1
    if sizes and axes == _IMAGE_AXES and axis >= 2:  # noqa: PLR2004 - height and width are axes 2 and 3
        return sizes[axis - 2]
    return 0


def image_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Return height and width from the notes of Ultralytics' exporter; None if it has not noted them."""
    value = literal(metadata.get("imgsz", ""))
    if isinstance(value, list) and len(value) == 2 and all(isinstance(size, int) for size in value):  # noqa: PLR2004 - height and width
        return value[0], value[1]
    return None


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return class names from the notes of Ultralytics' exporter; empty if any is missing."""
    value = literal(metadata.get("names", ""))
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or sorted(map(str, value)) != sorted(map(str, range(len(value)))):
        return ()
    return tuple(_line(str(value[number])) for number in range(len(value)) if number in value)


def _line(text: str) -> str:
    """Return a name as a line of a file of classes: without line ends, and without what steers a terminal."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def literal(text: str) -> object:
    """Return the value of a Python literal; None if the text is not a literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _shape(value: Any) -> Shape:  # noqa: ANN401 - onnx.ValueInfoProto
    return tuple(axis.dim_value if axis.dim_value > 0 else None for axis in value.type.tensor_type.shape.dim)


def _node(node: Any) -> Node:  # noqa: ANN401 - onnx.NodeProto
    return Node(
        name=node.name or next(iter(node.output), ""),
        op=node.op_type,
        domain="" if node.domain == "ai.onnx" else node.domain,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={attribute.name: _value(attribute) for attribute in node.attribute},
    )


def _value(attribute: Any) -> object:  # noqa: ANN401 - onnx.AttributeProto
    kinds = type(attribute)
    values = {
        kinds.STRING: attribute.s.decode(errors="replace"),
        kinds.INT: attribute.i,
        kinds.INTS: list(attribute.ints),
        kinds.FLOAT: attribute.f,
        kinds.FLOATS: list(attribute.floats),
    }
    return values.get(attribute.type)
