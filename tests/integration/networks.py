"""Small networks with random weights, each with what a test needs: generated, so that nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

# The newest that tpu_mlir 1.7 reads.
OPSET = 17
IR_VERSION = 8


@dataclass
class Network:
    """A network under construction; every method adds a layer and returns the name of its output."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(20240101))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)

    def conv(  # noqa: PLR0913 - a convolution has so many
        self,
        name: str,
        tensor: str,
        channels: tuple[int, int],
        *,
        stride: int = 1,
        relu: bool = True,
        scale: NDArray[np.floating[Any]] | float = 1.0,
    ) -> str:
        """A 3x3 convolution from and to so many channels; `scale` goes over its weights."""
        entering, leaving = channels
        weights = self.random.normal(0.0, np.sqrt(2.0 / (entering * 9)), (leaving, entering, 3, 3)) * scale
        self.constant(f"{name}.weight", weights.astype(np.float32))
        self.constant(f"{name}.bias", self.random.normal(0.0, 0.1, leaving).astype(np.float32))
        inputs = [tensor, f"{name}.weight", f"{name}.bias"]
        output = self.node(
            "Conv", name, *inputs, kernel_shape=[3, 3], strides=[stride, stride], pads=[1, 1, 1, 1]
        )
        return self.node("Relu", f"{name}.relu", output) if relu else output

    def reshape(self, name: str, tensor: str, shape: list[int]) -> str:
        self.constant(f"{name}.shape", np.array(shape, dtype=np.int64))
        return self.node("Reshape", name, tensor, f"{name}.shape")

    def split(self, tensor: str, names: list[str], sizes: list[int], axis: int) -> None:
        """Splits a tensor into several."""
        self.constant(f"{names[0]}.sizes", np.array(sizes, dtype=np.int64))
        inputs = [tensor, f"{names[0]}.sizes"]
        self.nodes.append(helper.make_node("Split", inputs, names, name=f"{names[0]}.split", axis=axis))

    def node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX has many
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: NDArray[np.generic]) -> None:
        """Adds a fixed tensor."""
        self.initialisers.append(numpy_helper.from_array(value, name))

    def save(self, path: Path, inputs: dict[str, list[int]], outputs: dict[str, list[int]]) -> None:
        def values(shapes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in shapes.items()
            ]

        graph = helper.make_graph(self.nodes, "net", values(inputs), values(outputs), self.initialisers)
        model = helper.make_model(
            graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


def save_images(folder: Path, count: int = 3, size: tuple[int, int] = (64, 48)) -> None:
    """Images of noise, `0.png` and on; the size is width and height."""
    random = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
