"""Infers the shapes of an ONNX graph, also those that depend on numbers computed of other shapes.

`onnx` itself does not follow a length through a division, or to the end of a slice. Where a network without a
simplifier is split into halves by such lengths, as YOLOv9 is, no tensor behind would have a shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# The most times that a graph is inferred: once for each such split on the longest way through the network.
_MOST_ROUNDS = 64
# The most numbers of a value that is followed: a shape has one for each axis.
_MOST_NUMBERS = 8
# No axis has this length, and products of smaller ones fit into 64 bits.
_TOO_LONG = 1 << 31
_COMPUTED: Mapping[str, Callable[[int, int], int]] = {
    "Add": lambda one, other: one + other,
    "Sub": lambda one, other: one - other,
    "Mul": lambda one, other: one * other,
    "Div": lambda one, other: one // other,
}

Value = Sequence[int]


def inferred(model: Any) -> Any:  # noqa: ANN401 - onnx.ModelProto, which is only imported where it is needed
    """Return a model's graph with all shapes that can be inferred. In it, computed lengths are constants."""
    import onnx  # noqa: PLC0415 - takes a third of a second, and only the reading process needs it

    graph = model.graph
    for _ in range(_MOST_ROUNDS):
        try:
            # data_prop follows the values of shapes, which Reshape needs.
            graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
            # Faults of the graph do not matter here.
            return model.graph
        lengths = _lengths(graph)
        if not lengths:
            return graph
        for place in sorted(lengths, reverse=True):
            name = model.graph.node[place].output[0]
            value = lengths[place]
            del model.graph.node[place]
            model.graph.initializer.append(
                onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [len(value)], value)
            )
    return graph


def _lengths(graph: Any) -> dict[int, Value]:  # noqa: ANN401 - onnx.GraphProto
    """Return the numbers that are computed of known shapes, by the places of the nodes that compute them."""
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input)
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")
    }
    values = {tensor.name: value for tensor in graph.initializer if (value := _constant(tensor))}
    found: dict[int, Value] = {}
    for place, node in enumerate(graph.node):
        value = _value(node, values, shapes)
        if value and len(node.output) == 1:
            values[node.output[0]] = value
            if node.op_type in _COMPUTED:
                found[place] = value
    return found


def _value(node: Any, values: Mapping[str, Value], shapes: Mapping[str, Value]) -> Value | None:  # noqa: ANN401 - onnx.NodeProto
    """Return the numbers that a node computes of shapes; None if they are not known."""
    given = [values.get(name) for name in node.input]
    match node.op_type, given:
        case "Constant", _:
            return next((_constant(each.t) for each in node.attribute if each.name == "value"), None)
        case "Shape", [_] if not node.attribute:
            shape = shapes.get(node.input[0], ())
            return shape if all(length > 0 for length in shape) and len(shape) <= _MOST_NUMBERS else None
        case "Gather", [[*numbers], [*places]] if all(-len(numbers) <= at < len(numbers) for at in places):
            return [numbers[at] for at in places]
        case ("Add" | "Sub" | "Mul" | "Div") as op, [[one], [other]] if max(abs(one), abs(other)) < _TOO_LONG:
            if op != "Div" or 0 < other <= one:
                return [_COMPUTED[op](one, other)]
    return None


def _constant(tensor: Any) -> Value | None:  # noqa: ANN401 - onnx.TensorProto
    """Return the numbers of a small tensor of one axis; None for every other."""
    import onnx  # noqa: PLC0415 - as above

    if tensor.data_type != onnx.TensorProto.INT64 or len(tensor.dims) != 1 or tensor.dims[0] > _MOST_NUMBERS:
        return None
    try:
        numbers: list[int] = onnx.numpy_helper.to_array(tensor).tolist()
    except (ValueError, TypeError, OSError):
        # Its numbers are missing, are too few, or are in another file.
        return None
    return numbers
