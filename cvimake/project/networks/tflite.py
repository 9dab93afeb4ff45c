"""Finds parts of a TFLite network that tpu_mlir 1.7 does not read, before a container starts.

Sources: `BuiltinOptionsToAttributes` and the functions that it names in tpu_mlir 1.7's
`python/transform/TFLiteConverter.py`, and the types in its `TFLiteReader`.
"""

from __future__ import annotations

import mmap
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import listing
from cvimake.core.errors import CvimakeError
from cvimake.toolchain.container.tflite_file import (
    CUSTOM,
    BrokenError,
    File,
    Graph,
    Operator,
    Tensor,
    TooManyError,
    widening,
)

READ = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
    "FULLY_CONNECTED", "GATHER", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PACK", "PAD", "PADV2", "QUANTIZE",
    "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SOFTMAX", "SPLIT", "STRIDED_SLICE",
    "SUB", "SUM", "TRANSPOSE", "UNPACK",
})  # fmt: skip
_CONSTANT_TYPES = frozenset(
    {"FLOAT32", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
)
_COMPUTED_TYPES = frozenset({"FLOAT32", "INT8", "INT16", "INT32", "INT64", "UINT8"})
_ACTIVATIONS = ("no activation", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_NONE, _RELU, _RELU6 = 0, 1, 3
# For each operator that can hold an activation: the field of its options, and the values that the tool reads.
_FUSED = {
    "ADD": (0, {_NONE, _RELU}),
    "SUB": (0, {_NONE, _RELU}),
    "MUL": (0, {_NONE, _RELU}),
    "FULLY_CONNECTED": (0, {_NONE, _RELU}),
    "CONCATENATION": (1, {_NONE, _RELU}),
    "CONV_2D": (3, {_NONE, _RELU, _RELU6}),
    "DEPTHWISE_CONV_2D": (4, {_NONE, _RELU, _RELU6}),
    "MAX_POOL_2D": (5, {_NONE, _RELU}),
    "AVERAGE_POOL_2D": (5, {_NONE, _RELU}),
}
_HALF_PIXEL_CENTERS = 1
_HEIGHT_AND_WIDTH = (1, 2)
_IMAGE_AXES = 4
_FEW = 3
QUANTISED = (
    "the network is quantised already, in a form that these processors do not compute. Convert it to TFLite "
    "without quantisation (no optimizations); cvimake quantises it"
)

Shape = tuple[int | None, ...]
# A subject and its fault.
_Fault = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Network:
    """The relevant facts of a TFLite network.

    Attributes:
        inputs: name and shape of each as in the file, with the channels last.
        outputs: the same.
        tensors: the names of all computed tensors.
        faults: the reasons why the transformation will fail for certain.
        doubts: the parts that the tool reads as something else.
    """

    inputs: tuple[tuple[str, Shape], ...]
    outputs: tuple[tuple[str, Shape], ...]
    tensors: frozenset[str]
    faults: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def planar(self) -> tuple[tuple[str, Shape], ...]:
        """The inputs in the toolchain's form, where images have their channels first."""
        return tuple((name, channels_first(shape)) for name, shape in self.inputs)

    def conversion(self, path: Path) -> str:
        """Return how to make an ONNX network of it that takes the camera's image as it is."""
        images = ",".join(name for name, shape in self.inputs if len(shape) == _IMAGE_AXES)
        command = [
            *("python", "-m", "tf2onnx.convert", "--opset", "17"),
            *(["--inputs-as-nchw", images] if images else []),
            *("--tflite", path.name, "--output", f"{path.stem}.onnx"),
        ]
        return f"Convert the network to ONNX, since tpu_mlir reads more of that: {shlex.join(command)}"


def channels_first(shape: Shape) -> Shape:
    """Return a shape of four axes with its channels before height and width; any other shape as it is."""
    if len(shape) != _IMAGE_AXES:
        return shape
    batch, height, width, channels = shape
    return (batch, channels, height, width)


def read(path: Path) -> Network:
    """Return the facts of a TFLite file's graph, with the parts that the toolchain does not read.

    Raises:
        CvimakeError: it is not a TFLite file, or is damaged, or larger than any network for a camera.
        OSError: it cannot be read.
    """
    with path.open("rb") as opened:
        try:
            # Of an empty file there is no map.
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _network(File(data))
        except (BrokenError, ValueError) as error:
            raise CvimakeError(f"{path} is not a TFLite file, or is damaged or cut off") from error
        except TooManyError as error:
            raise CvimakeError(
                f"{path}: its graph is larger than that of any network that a camera runs",
                "Check whether the file is damaged.",
            ) from error


def _network(file: File) -> Network:
    graph = file.graph()
    return Network(
        inputs=tuple(_named(graph, number) for number in graph.inputs),
        outputs=tuple(_named(graph, number) for number in graph.outputs),
        tensors=frozenset(graph.tensors[number].name for one in graph.operators for number in one.outputs),
        faults=tuple(_faults(file, graph)),
        doubts=tuple(_doubts(file, graph)),
    )


def _named(graph: Graph, number: int) -> tuple[str, Shape]:
    tensor = graph.tensors[number]
    return tensor.name, tuple(length if length > 0 else None for length in tensor.shape or ())


def _faults(file: File, graph: Graph) -> Iterator[str]:
    if any(tensor.is_quantised for tensor in graph.tensors):
        yield QUANTISED
        return
    widened = widening(graph)
    found: dict[_Fault, list[str]] = {}
    for one in graph.operators:
        # An operator that only widens a constant is left out.
        if one not in widened.dropped:
            for fault in (*_unread(file, graph, one), *_wrong_types(graph, one, widened.constants)):
                found.setdefault(fault, []).append(_place(graph, one))
    yield from (
        f"{subject} ({listing.line(places, _FEW)}) {what}" for (subject, what), places in found.items()
    )


def _unread(file: File, graph: Graph, one: Operator) -> Iterator[_Fault]:
    """Yield the reasons for which the tool does not read an operator."""
    if one.op == CUSTOM:
        yield (
            one.custom or "an operator without a name",
            "is a custom operator, which tpu_mlir 1.7 does not read",
        )
        return
    if one.op not in READ:
        yield one.op, "is not an operator that tpu_mlir 1.7 reads from TFLite"
        return
    activation = _activation(file, one)
    if one.op in _FUSED and activation not in _FUSED[one.op][1]:
        yield one.op, f"is not read with {_activation_name(activation)} in it"
    if one.op == "MEAN" and _axes(file, graph, one) != _HEIGHT_AND_WIDTH:
        yield one.op, "is only read over height and width"
    half_pixel = bool(one.options and file.value("b", one.options, _HALF_PIXEL_CENTERS))
    if one.op == "RESIZE_NEAREST_NEIGHBOR" and not half_pixel:
        yield one.op, "is only read with half_pixel_centers"
    if one.op == "PAD" and not all(graph.tensors[number].has_quantisation for number in one.outputs):
        yield one.op, "is only read if its output has a record of quantisation, even an empty one"


def _wrong_types(graph: Graph, one: Operator, widened: frozenset[int]) -> Iterator[_Fault]:
    """Yield the types of an operator's tensors that the tool does not read."""
    for number in (*one.inputs, *one.outputs):
        if number < 0 or number in widened:
            continue
        tensor = graph.tensors[number]
        if tensor.type not in (_CONSTANT_TYPES if tensor.data else _COMPUTED_TYPES):
            kind = "constants" if tensor.data else "computed tensors"
            yield f"{one.op}'s {kind} of the type {tensor.type}", "are not read"


def _doubts(file: File, graph: Graph) -> Iterator[str]:
    places = [
        _place(graph, one)
        for one in graph.operators
        if one.op in {"CONV_2D", "DEPTHWISE_CONV_2D"} and _activation(file, one) == _RELU6
    ]
    if places:
        yield (
            f"RELU6 in a convolution ({listing.line(places, _FEW)}) is read as RELU: if values above 6 "
            "occur, the check against the source fails. In ONNX the network keeps it"
        )
    if graph.graphs > 1:
        yield f"it has {graph.graphs} graphs, but tpu_mlir 1.7 reads only the first"


def _activation(file: File, one: Operator) -> int:
    if one.op not in _FUSED or not one.options:
        return _NONE
    return file.value("b", one.options, _FUSED[one.op][0])


def _activation_name(activation: int) -> str:
    return _ACTIVATIONS[activation] if 0 <= activation < len(_ACTIVATIONS) else f"activation {activation}"


def _axes(file: File, graph: Graph, one: Operator) -> tuple[int, ...]:
    axes = graph.tensors[one.inputs[1]] if len(one.inputs) > 1 else None
    return file.values_at(axes.data)[:2] if axes else ()


def _place(graph: Graph, one: Operator) -> str:
    """Return a name for an operator: its first output's, since operators of TFLite have no names."""
    first: Tensor | None = graph.tensors[one.outputs[0]] if one.outputs else None
    return first.name if first else one.op
