"""Checks that a network can take inputs of another size than the one that it was exported with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cvimake.core.graph import reached
from cvimake.project.networks.network import Network, Shape

_LONGEST = 300


def resize(model: Any, shapes: Sequence[Sequence[int]], outputs: Sequence[str]) -> str:  # noqa: ANN401 - onnx.ModelProto
    """Give a model's inputs these shapes and end it in the outputs; return the first fault, or an empty text.

    Args:
        model: changed in place. Shapes inside of it are removed, so that they are inferred again.
        shapes: one for each input.
        outputs: the tensors that it shall end in; empty for its own outputs.
    """
    _end_in(model.graph, outputs)
    fitted = not _inference_error(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != len(shapes):
        return f"it has {len(inputs)} inputs, but {len(shapes)} shapes are given"
    for value, shape in zip(inputs, shapes, strict=True):
        axes = value.type.tensor_type.shape.dim
        if len(axes) != len(shape):
            return f"its input {value.name} has {len(axes)} axes, but {list(shape)} has {len(shape)}"
        for axis, length in zip(axes, shape, strict=True):
            axis.Clear()
            axis.dim_value = length
    del model.graph.value_info[:]
    for value in model.graph.output:
        for axis in value.type.tensor_type.shape.dim:
            axis.Clear()
    # If the inference finds faults in the original network, its faults now say nothing about the size.
    return _inference_error(model) if fitted else ""


def misfit(network: Network) -> str:
    """Name the first Reshape that does not fit the new input size; return an empty text if all fit."""
    for node in network.nodes:
        if node.op != "Reshape" or node.domain or not node.outputs:
            continue
        before, after = (_known(network.shape(name)) for name in (node.input_at(0), node.outputs[0]))
        if before and after and math.prod(before) != math.prod(after):
            return f"{node.name} (Reshape) makes {after}, but would get {before}"
    return ""


def _known(shape: Shape) -> list[int]:
    """Return a shape; empty if a length is not known."""
    known = [length for length in shape if length is not None]
    return known if len(known) == len(shape) else []


def different(shapes: Sequence[Sequence[int]], inputs: Mapping[str, Sequence[int]]) -> bool:
    """Tell whether shapes differ from those of the inputs in the file, where 0 is an axis of open length."""
    return len(shapes) == len(inputs) and any(
        len(shape) == len(own) and any(old not in {0, new} for old, new in zip(own, shape, strict=True))
        for shape, own in zip(shapes, inputs.values(), strict=True)
    )


def _end_in(graph: Any, outputs: Sequence[str]) -> None:  # noqa: ANN401 - onnx.GraphProto
    """Remove all nodes that the outputs do not need."""
    if not outputs:
        return
    from onnx import TensorProto, helper  # noqa: PLC0415 - only the reading process has it loaded

    producers = {name: node for node in graph.node for name in node.output if name}
    ends = [name for name in outputs if name in producers]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ends]
    needed = reached(ends, lambda name: producers[name].input if name in producers else ())
    kept = [node for node in graph.node if not needed.keys().isdisjoint(node.output)]
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:], graph.output[:]
    graph.node.extend(copies)
    graph.output.extend(values)


def _inference_error(model: Any) -> str:  # noqa: ANN401 - onnx.ModelProto
    import onnx  # noqa: PLC0415 - only the reading process has it loaded

    try:
        onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        # The first of them; the others follow from it.
        lines = [line for line in str(error).splitlines() if line.strip()]
        return (lines[0] if lines else "shapes cannot be inferred")[:_LONGEST]
    return ""
