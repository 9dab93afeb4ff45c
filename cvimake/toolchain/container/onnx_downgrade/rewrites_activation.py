"""Writes new activations and normalisations with older operators.

If exporters have a usual form for one, that form is used: the toolchain recognises it.
"""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from .network import Site
from .refusal import refused


def gelu_20(site: Site) -> None:
    """Write Gelu with the error function, or with its approximation by tanh."""
    given = site.input(0)
    if site.attribute("approximate", "none") == "tanh":
        cube = site.add("Mul", site.add("Mul", given, given), given)
        inner = site.add("Add", given, site.add("Mul", cube, site.scalar(0.044715)))
        curve = site.add("Tanh", site.add("Mul", inner, site.scalar(math.sqrt(2 / math.pi))))
    else:
        curve = site.add("Erf", site.add("Div", given, site.scalar(math.sqrt(2))))
    product = site.add("Mul", given, site.add("Add", curve, site.scalar(1.0)))
    site.add("Mul", product, site.scalar(0.5), output=site.output)


def mish_18(site: Site) -> None:
    """Write Mish as the input times the tanh of its softplus."""
    curve = site.add("Tanh", site.add("Softplus", site.input(0)))
    site.add("Mul", site.input(0), curve, output=site.output)


def hard_swish_14(site: Site) -> None:
    """Write HardSwish as the input times its hard sigmoid."""
    curve = site.add("HardSigmoid", site.input(0), alpha=1 / 6, beta=0.5)
    site.add("Mul", site.input(0), curve, output=site.output)


def softmax_13(site: Site) -> None:
    """Write Softmax in its older form, which joins all axes from the given one on. The last axis is safe."""
    axis = site.attribute("axis", -1)
    if axis == -1:
        site.changed(axis=-1)
        return
    rank = len(site.shape(0))
    (axis,) = site.axes([axis], rank)
    if axis == rank - 1:
        site.changed(axis=-1)
        return
    order = [number for number in range(rank) if number != axis] + [axis]
    turned = site.add("Transpose", site.input(0), perm=order)
    result = site.add(site.node.op_type, turned, axis=-1)
    back = [order.index(number) for number in range(rank)]
    site.add("Transpose", result, output=site.output, perm=back)


def layer_normalization_17(site: Site) -> None:
    """Write LayerNormalization with mean and deviation over the last axes, as exporters did before."""
    if len([name for name in site.node.output if name]) > 1:
        raise refused(site.node, "its mean and deviation are used, and the older form does not have them")
    rank = len(site.shape(0))
    (first,) = site.axes([site.attribute("axis", -1)], rank)
    axes = list(range(first, rank))
    given = site.input(0)
    centred = site.add("Sub", given, site.add("ReduceMean", given, axes=axes, keepdims=1))
    variance = site.add("ReduceMean", site.add("Pow", centred, site.scalar(2.0)), axes=axes, keepdims=1)
    deviation = site.add("Sqrt", site.add("Add", variance, site.scalar(site.attribute("epsilon", 1e-5))))
    # A normalisation without bias ends with the multiplication.
    scaled = [site.add("Div", centred, deviation), site.input(1)]
    if site.input(2):
        site.add("Add", site.add("Mul", *scaled), site.input(2), output=site.output)
    else:
        site.add("Mul", *scaled, output=site.output)


def rms_normalization_23(site: Site) -> None:
    """Write RMSNormalization as the input divided by the root of its mean square, over the last axes."""
    rank = len(site.shape(0))
    (first,) = site.axes([site.attribute("axis", -1)], rank)
    if site.element() != TensorProto.FLOAT:
        raise refused(site.node, "its input is not single precision")
    given = site.input(0)
    axes = site.constant(np.arange(first, rank, dtype=np.int64), "axes")
    mean = site.add("ReduceMean", site.add("Mul", given, given), axes, keepdims=1)
    root = site.add("Sqrt", site.add("Add", mean, site.scalar(site.attribute("epsilon", 1e-5))))
    site.add("Mul", site.add("Div", given, root), site.input(1), output=site.output)


def group_normalization(site: Site) -> None:
    """Write GroupNormalization as an InstanceNormalization in which each group is a channel.

    There is a scale and a bias for each channel since opset 21, and for each group before.
    """
    shape, groups = site.shape(0), site.attribute("num_groups")
    channels = shape[1]
    if channels is None or any(size is None for size in shape[1:]):
        raise refused(site.node, "the size of its input is not fixed")
    if site.attribute("stash_type", TensorProto.FLOAT) != TensorProto.FLOAT:
        raise refused(site.node, "stash_type is not float")
    if not groups or channels % groups:
        raise refused(site.node, f"{channels} channels are not {groups} groups")
    kind = np.float16 if site.element() == TensorProto.FLOAT16 else np.float32
    grouped = site.add("Reshape", site.input(0), site.constant(np.array([0, groups, -1], np.int64), "shape"))
    normal = site.add(
        "InstanceNormalization", grouped, site.constant(np.ones(groups, kind), "scale"),
        site.constant(np.zeros(groups, kind), "bias"), epsilon=site.attribute("epsilon", 1e-5),
    )  # fmt: skip
    sizes = [0 if shape[0] is None else shape[0], *(size or 0 for size in shape[1:])]
    whole = site.add("Reshape", normal, site.constant(np.array(sizes, np.int64), "shape"))
    scale, bias = (_for_each_channel(site, number, channels, len(shape)) for number in (1, 2))
    site.add("Add", site.add("Mul", whole, scale), bias, output=site.output)


def _for_each_channel(site: Site, number: int, channels: int, rank: int) -> str:
    """Return the scale or the bias in the shape [channels, 1, 1 ...]."""
    value = site.value(number)
    size = site.shape(number)[0]
    target = np.array([channels, *[1] * (rank - 2)], np.int64)
    if value is not None:
        return site.constant(np.repeat(value, channels // len(value)).reshape(target), "for_channels")
    name = site.input(number)
    if size is None:
        raise refused(site.node, f"the size of {name!r} is not fixed")
    if size != channels:
        column = site.add("Reshape", name, site.constant(np.array([size, 1], np.int64), "shape"))
        spread = site.constant(np.array([size, channels // size], np.int64), "shape")
        name = site.add("Expand", column, spread)
    return site.add("Reshape", name, site.constant(target, "shape"))
