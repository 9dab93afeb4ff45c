"""Writes a trained detector as ONNX: normalisation folded, the heads last and in the camera's order."""

from __future__ import annotations

from pathlib import Path

import onnx
from network import STRIDES, Convolution, Detector
from onnx import TensorProto, helper, numpy_helper

# The newest that tpu_mlir 1.7 reads.
OPSET = 17
IR_VERSION = 8
INPUT = "images"


class _Onnx:
    """Wires names of tensors, and keeps the nodes and weights that come of it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []

    def _node(self, operator: str, inputs: list[str], name: str, **attributes: str | list[int]) -> str:
        node = helper.make_node(operator, inputs, [name], name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def _constant(self, name: str, tensor: TensorProto) -> str:
        tensor.name = name
        self.weights.append(tensor)
        return name

    def convolve(self, layer: Convolution, name: str, value: str) -> str:
        weights, bias = (numpy_helper.from_array(tensor.contiguous().numpy()) for tensor in layer.folded())
        inputs = [value, self._constant(f"{name}.weight", weights), self._constant(f"{name}.bias", bias)]
        convolution = layer.convolution
        kernel, stride = convolution.kernel_size[0], convolution.stride[0]
        attributes = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "pads": [kernel // 2] * 4,
        }
        if layer.normalisation is None:
            return self._node("Conv", inputs, name, **attributes)
        return self._node("Relu", [self._node("Conv", inputs, f"{name}.convolution", **attributes)], name)

    def add(self, name: str, one: str, other: str) -> str:
        return self._node("Add", [one, other], name)

    def enlarge(self, name: str, value: str) -> str:
        scales = helper.make_tensor("", TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0])
        return self._node(
            "Resize",
            [value, "", self._constant(f"{name}.scales", scales)],
            name,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


def onnx_model(detector: Detector, size: int) -> onnx.ModelProto:
    """The detector as it computes when it is not training, for one square image of `size` pixels."""
    operations = _Onnx()
    names = detector.wire(operations, INPUT)
    shapes = []
    for stride, pair in zip(STRIDES, zip(names[::2], names[1::2], strict=True), strict=True):
        for name in pair:
            channels = next(one.dims[0] for one in operations.weights if one.name == f"{name}.weight")
            shapes.append([1, channels, size // stride, size // stride])
    graph = helper.make_graph(
        operations.nodes,
        "shapes",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(names, shapes, strict=True)
        ],
        operations.weights,
    )
    model = helper.make_model(
        graph,
        producer_name="cvimake",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def export(detector: Detector, size: int, path: Path) -> None:
    """Writes it.

    Raises:
        OSError: the file cannot be written.
    """
    onnx.save(onnx_model(detector, size), path)
