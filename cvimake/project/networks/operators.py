"""Finds operators that tpu_mlir 1.7 or cv181x cannot compute, before a container starts.

Sources: CONVERTED is the table `onnxop_factory` of tpu_mlir 1.7's `python/transform/OnnxConverter.py`;
LIMITS was found by building small networks with one operator each, in BF16 for cv181x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cvimake.core import listing
from cvimake.project.networks.network import Network, Node

# The newest versions that tpu_mlir reads correctly.
NEWEST_IR, NEWEST_OPSET = 8, 17

CONVERTED = frozenset({
    "Abs", "Acos", "Add", "And", "ArgMax", "ArgMin", "Atan", "Atanh", "AveragePool", "BatchNormalization",
    "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Cos", "CumSum",
    "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand",
    "Flatten", "Floor", "GELU", "GRU", "Gather", "GatherElements", "GatherND", "Gemm", "GlobalAveragePool",
    "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Identity", "If", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization", "LeakyRelu",
    "Less", "LessOrEqual", "Log", "LogSoftmax", "Loop", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg",
    "NonMaxSuppression", "NonZero", "Not", "OneHot", "PRelu", "Pad", "PixelNormalization", "Pow",
    "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "RoiAlign", "Round", "ScatterElements",
    "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "Split", "Sqrt",
    "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Upsample", "Where",
})  # fmt: skip
# Operators that came after NEWEST_OPSET (onnx 1.23.2, onnx.defs).
NEWER = frozenset({
    "AffineGrid", "Attention", "BitCast", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor",
    "CausalConvWithState", "CenterCropPad", "Col2Im", "CumProd", "DeformConv", "Gelu", "ImageDecoder",
    "LinearAttention", "Mish", "RMSNormalization", "RegexFullMatch", "RotaryEmbedding", "StringConcat",
    "StringSplit", "SwiGLU", "Swish", "TensorScatter",
})  # fmt: skip

Applies = Callable[[Network, Node], bool]
Faults = Callable[[Network, Node], Iterator[str]]


def _always(_network: Network, _node: Node) -> bool:
    return True


def _has_three_axes(_network: Network, node: Node) -> bool:
    kernel = node.attributes.get("kernel_shape")
    return isinstance(kernel, list) and len(kernel) > 2  # noqa: PLR2004 - height and width


def _picks_elsewhere(network: Network, node: Node) -> bool:
    """Tell whether several entries are picked. One entry is a slice, and an unknown shape may be one."""
    data, entries = network.shape(node.input_at(0)), network.shape(node.input_at(1))
    several = any(length and length > 1 for length in entries)
    return several and (len(data), node.attributes.get("axis", 0)) != (2, 0)


def _is_cubic(_network: Network, node: Node) -> bool:
    return bool(node.attributes.get("mode") == "cubic")


def _is_computed_on(network: Network, node: Node) -> bool:
    return any(name in network.consumers for name in node.outputs)


def _has_constant(network: Network, node: Node) -> bool:
    return not network.constants.isdisjoint(node.inputs)


def _lacks_constant(network: Network, node: Node) -> bool:
    return not _has_constant(network, node)


def _is_not_gelu(network: Network, node: Node) -> bool:
    """Tell whether an Erf is not part of x · (1 + erf(x / √2)) / 2, the GELU that the tool knows."""
    following = [user.op for name in node.outputs for user in network.consumers.get(name, ())]
    return following != ["Add"]


@dataclass(frozen=True)
class Limit:
    """A limit of an operator.

    Attributes:
        what: the fault; the operator's name precedes it.
        remedy: the usual way to avoid the operator.
    """

    ops: tuple[str, ...]
    what: str
    remedy: str
    applies: Applies = _always


_EARLIER = "end the network before it ([output] names) and compute the rest on the camera's CPU"
_NO_FORM = "has no form on cv181x"
_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Not")
LIMITS = (
    Limit(("NonMaxSuppression",), _NO_FORM, f"export without it (Ultralytics: nms=None), or {_EARLIER}"),
    Limit(("TopK",), _NO_FORM, f"export without it (Ultralytics: end to end), or {_EARLIER}"),
    Limit(("Gather",), "works only along the first of two axes", _EARLIER, _picks_elsewhere),
    Limit(("Resize",), "has no cubic form", "linear or nearest", _is_cubic),
    Limit(("ArgMax", "ArgMin"), "can only stand last on cv181x", _EARLIER, _is_computed_on),
    Limit(("Where",), _NO_FORM, f"with a mask of 0 and 1: m * a + (1 - m) * b; or {_EARLIER}"),
    Limit(_COMPARISONS, _NO_FORM, f"a steep sigmoid of the difference, or {_EARLIER}"),
    Limit(("Erf",), _NO_FORM, "use GELU as torch.nn.GELU writes it, or by tanh", _is_not_gelu),
    Limit(("Sin", "Cos", "Acos", "Atan", "Atanh"), _NO_FORM, _EARLIER),
    Limit(("Ceil", "Floor", "Round", "Sign"), _NO_FORM, _EARLIER),
    Limit(("Max", "Min"), "of a constant has no form on cv181x", "use Clip", _has_constant),
    Limit(("ReduceL1", "ReduceProd"), _NO_FORM, f"with Abs and ReduceSum, with products; or {_EARLIER}"),
    Limit(("Pow",), "with a computed exponent is not read", "by Exp and Log", _lacks_constant),
    Limit(("CumSum", "GatherElements", "ScatterElements", "Trilu"), _NO_FORM, _EARLIER),
    Limit(("NonZero", "Range", "RoiAlign"), _NO_FORM, _EARLIER),
    Limit(("MaxPool", "AveragePool", "Conv"), "has three axes, not two", "make it 2-D", _has_three_axes),
)  # fmt: skip
_FEW = 3


def problems(network: Network, outputs: Iterable[str]) -> tuple[str, ...]:
    """Return the operators before the outputs that cannot be built, each with its nodes and a remedy."""
    return _told(network, outputs, _faults)


def unread(network: Network, outputs: Iterable[str]) -> tuple[str, ...]:
    """Return the problems that make a build fail for certain: operators that the tool does not know."""
    return _told(network, outputs, _unread)


def _told(network: Network, outputs: Iterable[str], faults: Faults) -> tuple[str, ...]:
    found: dict[tuple[str, str], list[str]] = {}
    folded = _folded(network)
    for node in network.behind(outputs):
        if not folded.issuperset(node.outputs):
            for fault in faults(network, node):
                found.setdefault((node.op, fault), []).append(node.name)
    return tuple(f"{op} ({listing.line(names, _FEW)}) {fault}" for (op, fault), names in found.items())


def _faults(network: Network, node: Node) -> Iterator[str]:
    yield from _unread(network, node)
    for limit in LIMITS:
        if not node.domain and node.op in limit.ops and limit.applies(network, node):
            yield f"{limit.what}: {limit.remedy}"


def _unread(network: Network, node: Node) -> Iterator[str]:
    if network.opset > NEWEST_OPSET and not node.domain and node.op in NEWER:
        yield f"is newer than opset {NEWEST_OPSET}: the conversion tries to use older operators"
    elif node.domain or node.op not in CONVERTED:
        where = f" of {node.domain}" if node.domain else ""
        yield f"is not an operator{where} that tpu_mlir 1.7 reads: {_EARLIER}"


def _folded(network: Network) -> set[str]:
    """Return the tensors that are known before anything runs: constants, and results of shapes."""
    known = {"", *network.constants}
    for node in network.nodes:
        if node.op in {"Constant", "Shape", "Size"} or known.issuperset(node.inputs):
            known.update(node.outputs)
    return known
