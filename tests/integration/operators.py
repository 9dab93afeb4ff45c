"""Every ONNX operator that the toolchain reads, as a layer of a small random network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from networks import Network
from numpy.typing import NDArray
from onnx import TensorProto, helper

SHAPE = (1, 4, 8, 8)
_COUNT = 4 * 8 * 8
# What a layer leaves unwritten in its output depends on the sample: with them the tools themselves run.
BY_DATA = ("NonMaxSuppression", "NonZero")


@dataclass
class Layers:
    """A network under construction whose tensors all have the shape `SHAPE`.

    Attributes:
        network: the network.
        random: decides operands, weights and attributes.
        tensors: what a layer can read: the input, and the output of each layer.
    """

    network: Network
    random: Random
    tensors: list[str]

    def name(self, of: str) -> str:
        return f"n{len(self.network.nodes)}_{of}"

    def constant(self, value: object, kind: Any = np.float32) -> str:  # noqa: ANN401 - any of numpy's types
        name = f"c{len(self.network.initialisers)}"
        self.network.constant(name, np.asarray(value, dtype=kind))
        return name

    def weights(self, *shape: int) -> str:
        generator = np.random.default_rng(self.random.getrandbits(32))
        return self.constant(generator.normal(0.0, 0.4, shape))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX has many
        return self.network.node(operator, self.name(operator.lower()), *inputs, **attributes)

    def nodes(self, operator: str, inputs: list[str], outputs: int, **attributes: Any) -> list[str]:  # noqa: ANN401 - ONNX has many
        """An operator with several outputs."""
        name = self.name(operator.lower())
        names = [f"{name}.{number}" for number in range(outputs)]
        self.network.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names

    def reshape(self, tensor: str, *shape: int) -> str:
        return self.node("Reshape", tensor, self.constant(shape, np.int64))

    def back(self, tensor: str) -> str:
        """A tensor with as many values, in the common shape."""
        return self.reshape(tensor, *SHAPE)

    def spread(self, tensor: str, *shape: int) -> str:
        """A smaller tensor of four axes, added to one of the common shape."""
        return self.node("Add", self.reshape(tensor, *shape) if shape else tensor, self.any())

    def cut(self, tensor: str, first: int, last: int, axis: int) -> str:
        """A part of a tensor."""
        return self.node("Slice", tensor, *(self.constant([n], np.int64) for n in (first, last, axis)))

    def any(self) -> str:
        return self.random.choice(self.tensors[-4:])


Layer = Callable[[Layers, str], str]


def _unary(operator: str, **attributes: Any) -> Layer:  # noqa: ANN401 - ONNX has many
    return lambda layers, tensor: layers.node(operator, tensor, **attributes)


def _positive(operator: str) -> Layer:
    """An operator that is only defined for positive numbers."""

    def layer(layers: Layers, tensor: str) -> str:
        return layers.node(operator, layers.node("Add", layers.node("Abs", tensor), layers.constant(0.5)))

    return layer


def _bounded(operator: str) -> Layer:
    """An operator that is only defined between -1 and 1."""

    def layer(layers: Layers, tensor: str) -> str:
        return layers.node(operator, layers.node("Mul", layers.node("Tanh", tensor), layers.constant(0.9)))

    return layer


def _binary(operator: str) -> Layer:
    return lambda layers, tensor: layers.node(operator, tensor, layers.any())


def _comparison(operator: str) -> Layer:
    def layer(layers: Layers, tensor: str) -> str:
        return layers.node("Where", layers.node(operator, tensor, layers.any()), tensor, layers.any())

    return layer


def _reduction(operator: str) -> Layer:
    def layer(layers: Layers, tensor: str) -> str:
        axis = layers.random.choice([1, 2, 3])
        if operator == "ReduceSum":
            return layers.spread(layers.node(operator, tensor, layers.constant([axis], np.int64), keepdims=1))
        return layers.spread(layers.node(operator, tensor, axes=[axis], keepdims=1))

    return layer


def _logic(layers: Layers, tensor: str) -> str:
    left = layers.node("Greater", tensor, layers.any())
    right = layers.node("Not", layers.node("Less", layers.any(), layers.constant(0.1)))
    return layers.node("Where", layers.node("And", left, right), tensor, layers.any())


def _arg(operator: str) -> Layer:
    def layer(layers: Layers, tensor: str) -> str:
        found = layers.node(operator, tensor, axis=layers.random.choice([1, 3]), keepdims=1)
        return layers.spread(layers.node("Cast", found, to=TensorProto.FLOAT))

    return layer


def _norm(layers: Layers, tensor: str) -> str:
    return layers.node(
        "BatchNormalization", tensor, *(layers.weights(4) for _ in range(3)), layers.constant([1.0, 2, 3, 4])
    )


def _instance_norm(layers: Layers, tensor: str) -> str:
    return layers.node("InstanceNormalization", tensor, layers.weights(4), layers.weights(4))


def _layer_norm(layers: Layers, tensor: str) -> str:
    return layers.node("LayerNormalization", tensor, layers.weights(8), layers.weights(8), axis=-1)


def _conv(layers: Layers, tensor: str) -> str:
    group = layers.random.choice([1, 2, 4])
    return layers.node(
        "Conv", tensor, layers.weights(4, 4 // group, 3, 3), layers.weights(4), pads=[1] * 4,
        kernel_shape=[3, 3], group=group,
    )  # fmt: skip


def _stride(layers: Layers, tensor: str) -> str:
    small = layers.node("Conv", tensor, layers.weights(4, 4, 2, 2), strides=[2, 2], kernel_shape=[2, 2])
    return layers.node(
        "ConvTranspose", small, layers.weights(4, 4, 2, 2), strides=[2, 2], kernel_shape=[2, 2]
    )


def _pool(operator: str) -> Layer:
    def layer(layers: Layers, tensor: str) -> str:
        if layers.random.random() < 0.5:
            return layers.node(operator, tensor, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
        small = layers.node(operator, tensor, kernel_shape=[2, 2], strides=[2, 2])
        return layers.node(
            "Resize", small, "", layers.constant([1, 1, 2, 2]), mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    return layer


_RESIZED = (("linear", "half_pixel"), ("linear", "align_corners"), ("nearest", "asymmetric"))
# Axes and modes.
_PADDED = ((1, "constant"), (2, "constant"), (3, "constant"), (3, "reflect"), (2, "edge"))


def _resize(layers: Layers, tensor: str) -> str:
    mode, where = layers.random.choice(
        [("linear", "half_pixel"), ("linear", "align_corners"), ("nearest", "asymmetric")]
    )
    large = layers.node(
        "Resize", tensor, "", layers.constant([1, 1, 2, 2]), mode=mode, nearest_mode="floor",
        coordinate_transformation_mode=where,
    )  # fmt: skip
    return layers.node("MaxPool", large, kernel_shape=[2, 2], strides=[2, 2])


def _pad(layers: Layers, tensor: str) -> str:
    """Pads any of the axes, and cuts off as much at the beginning of it."""
    axis, mode = layers.random.choice(
        [(1, "constant"), (2, "constant"), (3, "constant"), (3, "reflect"), (2, "edge")]
    )
    behind = 1 + layers.random.randrange(3)
    value = [layers.constant(layers.random.choice([0.0, -1.5]))] if mode == "constant" else []
    padded = layers.node(
        "Pad", tensor, layers.constant(pads(axis=axis, behind=behind), np.int64), *value, mode=mode
    )
    doubled = layers.node("Mul", padded, layers.constant(1.25))
    first, last = behind, SHAPE[axis] + behind
    return layers.cut(doubled, first, last, axis)


def _split(layers: Layers, tensor: str) -> str:
    axis = layers.random.choice([1, 2, 3])
    first, second = layers.nodes("Split", [tensor], 2, axis=axis)
    return layers.node("Concat", second, first, axis=axis)


def _slice(layers: Layers, tensor: str) -> str:
    axis = layers.random.choice([1, 2, 3])

    def part(start: int, step: int) -> str:
        values = ([start], [SHAPE[axis]], [axis], [step])
        return layers.node("Slice", tensor, *(layers.constant(value, np.int64) for value in values))

    return layers.node("Concat", part(0, 2), part(1, 2), axis=axis)


def _matmul(layers: Layers, tensor: str) -> str:
    right = layers.random.choice([layers.any(), layers.weights(8, 8)])
    return layers.node("Mul", layers.node("MatMul", tensor, right), layers.constant(0.25))


def _gemm(layers: Layers, tensor: str) -> str:
    flat = layers.node("Flatten", tensor, axis=1)
    return layers.back(layers.node("Gemm", flat, layers.weights(_COUNT, _COUNT), layers.weights(_COUNT)))


def _einsum(layers: Layers, tensor: str) -> str:
    """The toolchain reads nine equations; this is one of them."""
    left, right = layers.reshape(tensor, 1, 4, 8, 8), layers.weights(1, 4, 8, 8)
    return layers.node("Einsum", left, right, equation="abcd,abed->abce")


def _global_pool(operator: str) -> Layer:
    return lambda layers, tensor: layers.spread(layers.node(operator, tensor))


def _depth_to_space(layers: Layers, tensor: str) -> str:
    return layers.node("Conv", layers.node("DepthToSpace", tensor, blocksize=2), layers.weights(4, 1, 2, 2),
                       strides=[2, 2], kernel_shape=[2, 2])  # fmt: skip


def _gather(layers: Layers, tensor: str) -> str:
    return layers.node("Gather", tensor, layers.constant([3, 1, 0, 2], np.int64), axis=1)


def _gather_elements(layers: Layers, tensor: str) -> str:
    indices = np.random.default_rng(layers.random.getrandbits(32)).integers(0, 8, SHAPE)
    return layers.node("GatherElements", tensor, layers.constant(indices, np.int64), axis=3)


def _gather_nd(layers: Layers, tensor: str) -> str:
    indices = [[[0, 3], [0, 1], [0, 0], [0, 2]]]
    return layers.node("GatherND", tensor, layers.constant(indices, np.int64))


def _scatter_elements(layers: Layers, tensor: str) -> str:
    indices = np.tile(np.arange(3), (1, 4, 8, 1))
    part = layers.cut(layers.any(), 0, 3, 3)
    return layers.node("ScatterElements", tensor, layers.constant(indices, np.int64), part, axis=3)


def _scatter_nd(layers: Layers, tensor: str) -> str:
    part = layers.reshape(layers.cut(layers.any(), 0, 2, 1), 2, 8, 8)
    rows = layers.reshape(tensor, *SHAPE[1:])
    return layers.back(layers.node("ScatterND", rows, layers.constant([[1], [3]], np.int64), part))


def _top_k(layers: Layers, tensor: str) -> str:
    values, indices = layers.nodes("TopK", [tensor, layers.constant([4], np.int64)], 2, axis=3, largest=1)
    which = layers.random.randrange(3)
    if which == 0:
        return layers.node("Concat", values, values, axis=3)
    places = layers.node("Cast", indices, to=TensorProto.FLOAT)
    return layers.node("Concat", places if which == 1 else values, places, axis=3)


def _lstm(layers: Layers, tensor: str) -> str:
    steps = layers.reshape(tensor, 32, 1, 8)
    names = [steps, layers.weights(1, 32, 8), layers.weights(1, 32, 8), layers.weights(1, 64)]
    every, last, _ = layers.nodes("LSTM", names, 3, hidden_size=8)
    if layers.random.random() < 0.5:
        return layers.back(every)
    return layers.spread(last, 1, 1, 1, 8)


def _gru(layers: Layers, tensor: str) -> str:
    steps = layers.reshape(tensor, 32, 1, 8)
    names = [steps, layers.weights(1, 24, 8), layers.weights(1, 24, 8), layers.weights(1, 48)]
    every, last = layers.nodes("GRU", names, 2, hidden_size=8, linear_before_reset=1)
    if layers.random.random() < 0.5:
        return layers.back(every)
    return layers.spread(last, 1, 1, 1, 8)


def _grid_sample(layers: Layers, tensor: str) -> str:
    grid = layers.reshape(layers.cut(layers.node("Tanh", layers.any()), 0, 2, 1), 1, 8, 8, 2)
    return layers.node("GridSample", tensor, grid, mode="bilinear", padding_mode="zeros", align_corners=1)


def _roi_align(layers: Layers, tensor: str) -> str:
    boxes = layers.constant([[0.0, 0.0, 6.0, 6.0]])
    return layers.node(
        "RoiAlign",
        tensor,
        boxes,
        layers.constant([0], np.int64),
        output_height=8,
        output_width=8,
        sampling_ratio=2,
    )


def _one_hot(layers: Layers, tensor: str) -> str:
    places = layers.node("ArgMax", tensor, axis=3, keepdims=0)
    hot = layers.node("OneHot", places, layers.constant([8], np.int64), layers.constant([0.0, 1.0]), axis=-1)
    return layers.node("Add", hot, layers.any())


def _where(layers: Layers, tensor: str) -> str:
    return layers.node(
        "Where", layers.constant(np.arange(64).reshape(1, 1, 8, 8) % 3 == 0, np.bool_), tensor, layers.any()
    )


def _transpose(layers: Layers, tensor: str) -> str:
    return layers.node("Transpose", tensor, perm=[0, 1, 3, 2])


def _squeeze(layers: Layers, tensor: str) -> str:
    axes = layers.constant([0], np.int64)
    inner = layers.node("Sigmoid", layers.node("Squeeze", tensor, axes))
    return layers.node("Unsqueeze", inner, axes)


def _tile(layers: Layers, tensor: str) -> str:
    part = layers.cut(tensor, 0, 2, 1)
    return layers.node("Tile", part, layers.constant([1, 2, 1, 1], np.int64))


def _shape(layers: Layers, tensor: str) -> str:
    return layers.node("Reshape", layers.reshape(tensor, 1, _COUNT), layers.node("Shape", layers.any()))


def _constants(layers: Layers, tensor: str) -> str:
    filled = layers.node("ConstantOfShape", layers.constant([8], np.int64))
    numbers = layers.node("Cast", layers.node("Range", *(layers.constant(n, np.int64) for n in (0, 8, 1))),
                          to=TensorProto.FLOAT)  # fmt: skip
    return layers.node("Add", tensor, layers.node("Add", filled, numbers))


def _non_zero(layers: Layers, tensor: str) -> str:
    """How far places lie from the origin, as many of them as there are values that are not zero."""
    rows = layers.reshape(layers.node("Relu", tensor), _COUNT)
    places = layers.node("Cast", layers.node("NonZero", rows), to=TensorProto.FLOAT)
    return layers.spread(layers.node("ReduceMax", places, axes=[1], keepdims=1), 1, 1, 1, 1)


def _suppress(layers: Layers, tensor: str) -> str:
    boxes = layers.reshape(tensor, 1, 64, 4)
    scores = layers.node("Sigmoid", layers.reshape(layers.any(), 1, 4, 64))
    limits = (layers.constant([5], np.int64), layers.constant([0.5]), layers.constant([0.4]))
    chosen = layers.node("NonMaxSuppression", boxes, scores, *limits)
    total = layers.node("ReduceMax", layers.node("Cast", chosen, to=TensorProto.FLOAT), axes=[0], keepdims=1)
    return layers.spread(
        layers.node("Slice", total, *(layers.constant([n], np.int64) for n in (2, 3, 1))), 1, 1, 1, 1
    )


def _clip(layers: Layers, tensor: str) -> str:
    return layers.node(
        "Clip", tensor, layers.constant(-0.5), layers.constant(layers.random.choice([1.0, 6.0]))
    )


def _pow(layers: Layers, tensor: str) -> str:
    return layers.node("Pow", tensor, layers.constant(2.0))


def _division(layers: Layers, tensor: str) -> str:
    return layers.node(
        "Div", tensor, layers.node("Add", layers.node("Abs", layers.any()), layers.constant(1.0))
    )


def _p_relu(layers: Layers, tensor: str) -> str:
    return layers.node("PRelu", tensor, layers.weights(4, 1, 1))


def _cum_sum(layers: Layers, tensor: str) -> str:
    return layers.node("CumSum", tensor, layers.constant(3, np.int64))


def _upsample(layers: Layers, tensor: str) -> str:
    """Twice as many rows and columns, and back: `Resize` says in opset 17 what `Upsample` said."""
    large = layers.node("Resize", tensor, "", layers.constant([1, 1, 2, 2]), mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    return layers.node("AveragePool", large, kernel_shape=[2, 2], strides=[2, 2])


def _swish(layers: Layers, tensor: str) -> str:
    return layers.node("Mul", tensor, layers.node("Sigmoid", tensor))


def _mish(layers: Layers, tensor: str) -> str:
    return layers.node("Mul", tensor, layers.node("Tanh", layers.node("Softplus", tensor)))


def _gelu(layers: Layers, tensor: str) -> str:
    half = layers.node("Mul", tensor, layers.constant(0.5))
    erf = layers.node("Erf", layers.node("Div", tensor, layers.constant(1.4142135)))
    return layers.node("Mul", half, layers.node("Add", erf, layers.constant(1.0)))


def _standalone_relu(layers: Layers, tensor: str) -> str:
    """One that the toolchain cannot make a part of the layer before it."""
    shared = layers.node("Tanh", tensor)
    return layers.node("Add", layers.node("Relu", shared), shared)


def _standalone_norm(layers: Layers, tensor: str) -> str:
    return _norm(layers, layers.node("Tanh", tensor))


def _shuffle(layers: Layers, tensor: str) -> str:
    groups = layers.reshape(tensor, 1, 2, 2, 8, 8)
    return layers.back(layers.node("Transpose", groups, perm=[0, 2, 1, 3, 4]))


def _reverse(layers: Layers, tensor: str) -> str:
    values = ([-1], [-9], [3], [-1])
    return layers.node("Slice", tensor, *(layers.constant(value, np.int64) for value in values))


def _with_constant(operator: str) -> Layer:
    return lambda layers, tensor: layers.node(operator, layers.constant(0.25), tensor)


def _power(layers: Layers, tensor: str) -> str:
    positive = layers.node("Add", layers.node("Abs", tensor), layers.constant(0.5))
    return layers.node("Pow", positive, layers.constant(1.5))


def _base(layers: Layers, tensor: str) -> str:
    return layers.node("Pow", layers.constant(1.5), layers.node("Tanh", tensor))


def _group_norm(layers: Layers, tensor: str) -> str:
    grouped = layers.node(
        "InstanceNormalization",
        layers.reshape(tensor, 1, 2, 128),
        layers.constant([1.0, 1.0]),
        layers.constant([0.0, 0.0]),
    )
    scaled = layers.node("Mul", layers.back(grouped), layers.weights(4, 1, 1))
    return layers.node("Add", scaled, layers.weights(4, 1, 1))


OPERATORS: Mapping[str, Layer] = {
    **{
        name: _unary(name)
        for name in (
            "Abs", "Atan", "Ceil", "Cos", "Dropout", "Elu", "Erf", "Floor", "HardSigmoid", "HardSwish",
            "Identity", "LeakyRelu", "Neg", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Tanh",
        )
    },
    **{name: _positive(name) for name in ("Log", "Reciprocal", "Sqrt")},
    **{name: _bounded(name) for name in ("Acos", "Atanh", "Exp")},
    **{name: _binary(name) for name in ("Add", "Max", "Min", "Mul", "Sub", "Sum")},
    **{name: _comparison(name) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    **{
        f"Reduce{name}": _reduction(f"Reduce{name}")
        for name in ("L1", "L2", "Max", "Mean", "Min", "Prod", "Sum")
    },
    "And, Not": _logic,
    **{name: _arg(name) for name in ("ArgMax", "ArgMin")},
    "AveragePool": _pool("AveragePool"),
    "BatchNormalization": _norm,
    "Clip": _clip,
    "ConstantOfShape, Range": _constants,
    "Conv": _conv,
    "Conv, ConvTranspose": _stride,
    "CumSum": _cum_sum,
    "DepthToSpace": _depth_to_space,
    "Div": _division,
    "Einsum": _einsum,
    "Flatten, Gemm": _gemm,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "GlobalAveragePool": _global_pool("GlobalAveragePool"),
    "GlobalMaxPool": _global_pool("GlobalMaxPool"),
    "GridSample": _grid_sample,
    "GRU": _gru,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _unary("LogSoftmax", axis=1),
    "LRN": _unary("LRN", size=3),
    "LSTM": _lstm,
    "MatMul": _matmul,
    "MaxPool": _pool("MaxPool"),
    "NonMaxSuppression": _suppress,
    "NonZero": _non_zero,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Pow": _pow,
    "PRelu": _p_relu,
    "Resize": _resize,
    "RoiAlign": _roi_align,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _unary("Softmax", axis=1),
    "Split": _split,
    "Squeeze, Unsqueeze": _squeeze,
    "Tile": _tile,
    "TopK": _top_k,
    "Transpose": _transpose,
    "Trilu": _unary("Trilu", upper=0),
    "Upsample": _upsample,
    "Where": _where,
    # What the toolchain makes an operator of its own of.
    "Swish": _swish,
    "Mish": _mish,
    "GELU": _gelu,
    "a ReLU alone": _standalone_relu,
    "a BatchNormalization alone": _standalone_norm,
    "shuffled channels": _shuffle,
    "a reversed axis": _reverse,
    **{f"{name} of a constant": _with_constant(name) for name in ("Sub", "Max", "Min")},
    "a power": _power,
    "a power of a constant": _base,
    "GroupNormalization": _group_norm,
}  # fmt: skip

# Those that cv181x has, so that a search can lower them.
ON_THE_PROCESSOR = (
    "Abs", "Add", "AveragePool", "BatchNormalization", "Clip", "Conv", "Conv, ConvTranspose", "Elu", "GELU",
    "GlobalAveragePool", "LeakyRelu", "MaxPool", "Mul", "Pad", "PRelu", "Relu", "Resize",
    "Sigmoid", "Slice", "Softmax", "Split", "Sub", "Swish", "Tanh", "Transpose", "a ReLU alone",
    "shuffled channels",
)  # fmt: skip

# Those that can be lowered in any order.
LOWERED_TOGETHER = ("Add", "AveragePool", "Conv", "MaxPool", "Mul", "Relu", "Sigmoid")


def pads(*, axis: int, behind: int) -> NDArray[np.int64]:
    """What `Pad` is told to add behind one of four axes."""
    values = np.zeros(8, np.int64)
    values[axis + 4] = behind
    return values


def save(path: Path, operators: list[str], seed: int) -> None:
    """Writes a network of these operators, one after the other, some joined by what came before."""
    random = Random(seed)
    layers = Layers(Network(np.random.default_rng(seed)), random, ["images"])
    first = layers.node(
        "Conv", "images", layers.weights(4, 3, 3, 3), layers.weights(4), kernel_shape=[3, 3], pads=[1] * 4
    )
    layers.tensors[:] = [first]
    for operator in operators:
        tensor = layers.tensors[-1] if random.random() < 0.7 else layers.any()
        layers.tensors.append(OPERATORS[operator](layers, tensor))
    last = layers.tensors[-1]
    others = [
        tensor
        for tensor in layers.tensors[1:-1]
        if all(tensor not in node.input for node in layers.network.nodes)
    ]
    for other in others:
        last = layers.node("Add", last, other)
    layers.network.node("GlobalAveragePool", "scores", last)
    shape: NDArray[Any] = np.array([1, 3, *SHAPE[2:]])
    layers.network.save(path, {"images": shape.tolist()}, {"scores": [1, 4, 1, 1]})
