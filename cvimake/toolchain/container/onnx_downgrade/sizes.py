"""Gives a network inputs of another size than the one it was exported with, and proves that it still runs.

Most networks can run with other sizes. Some cannot: their exporter wrote the sizes of tensors into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, ValueInfoProto

from . import proof, tidy
from .network import own_inputs
from .refusal import RefusedError


def resize(model: ModelProto, shapes: Sequence[Sequence[int]]) -> int:
    """Give the inputs these shapes; return how many inputs had others.

    Axes without a fixed length stay as they are. Nothing changes if the number of axes or inputs differs.
    """
    inputs = own_inputs(model)
    resized = 0
    if len(inputs) == len(shapes):
        resized = sum(_resize(value, shape) for value, shape in zip(inputs, shapes, strict=True))
    if resized:
        tidy.forget_shapes(model)
        for value in model.graph.output:
            for dim in value.type.tensor_type.shape.dim:
                dim.Clear()
    return resized


def _resize(value: ValueInfoProto, shape: Sequence[int]) -> bool:
    axes = value.type.tensor_type.shape.dim
    if len(axes) != len(shape):
        return False
    different = [
        (axis, size) for axis, size in zip(axes, shape, strict=True) if axis.dim_value not in {0, size}
    ]
    for axis, size in different:
        axis.dim_value = size
    return bool(different)


def prove(source: ModelProto, model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Run a resized network in float.

    Args:
        source: the network before, with its sizes as far as they are fixed.
        model: the network after.
        shapes: the new shapes of its inputs.

    Raises:
        RefusedError: it does not run, or mixes the values of different images.
    """
    text = ", ".join(f"{name} of {' x '.join(map(str, shape))}" for name, shape in shapes.items())
    try:
        found = proof.run_once(model, shapes, "resized")
    except RefusedError as error:
        raise RefusedError(
            f"it was exported for inputs of another size and does not run with {text} ({error}). Export it "
            "with that size, or declare its own in [input] shapes"
        ) from error
    batches = {shape[0] for shape in shapes.values() if shape}
    for value, array in zip(source.graph.output, found.values(), strict=True):
        before = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if not isinstance(array, np.ndarray) or not before:
            continue
        one_each = before[0] in {0, _batch(source)}
        if len(before) != array.ndim or (one_each and len(batches) == 1 and array.shape[0] not in batches):
            raise RefusedError(
                f"it was exported for inputs of another size: with {text} its output {value.name!r} is of "
                f"{' x '.join(map(str, array.shape))}, which mixes images. Export it with that size"
            )


def _batch(source: ModelProto) -> int:
    axes = own_inputs(source)[0].type.tensor_type.shape.dim
    return int(axes[0].dim_value) if axes else 0
