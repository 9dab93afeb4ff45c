"""Generates the tiny model and its images: `python models/tiny/generate.py [FOLDER]`.

Three convolutions with seeded random weights. It means nothing and is small enough to go through
every stage of the toolchain in seconds; what it proves is the way from ONNX to cvimodel.
Needs the development environment (numpy, onnx, Pillow). Existing files are replaced.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SEED = 1684
CLASSES = 10
# A packed RGB row of 128 pixels is 384 bytes: a multiple of 128, as `aligned_input` wants it.
SIZE = 128
IMAGES = 8
# The newest that tpu_mlir 1.7 reads.
OPSET = 17
IR_VERSION = 8


def build_model(random: np.random.Generator) -> onnx.ModelProto:
    """A classifier: input `images` `[1,3,SIZE,SIZE]` in 0..1, output `scores` `[1,CLASSES,1,1]`."""
    nodes, initialisers = [], []
    tensor, channels = "images", 3
    for index, filters in enumerate((8, 16, CLASSES)):
        # He initialisation keeps the activations of every layer in one range.
        deviation = np.sqrt(2.0 / (channels * 9))
        weights = random.normal(0.0, deviation, (filters, channels, 3, 3)).astype(np.float32)
        bias = random.normal(0.0, 0.1, filters).astype(np.float32)
        initialisers += [
            numpy_helper.from_array(weights, f"conv{index}.weight"),
            numpy_helper.from_array(bias, f"conv{index}.bias"),
        ]
        nodes += [
            helper.make_node(
                "Conv",
                [tensor, f"conv{index}.weight", f"conv{index}.bias"],
                [f"conv{index}"],
                name=f"conv{index}",
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1, 1, 1, 1],
            ),
            helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"], name=f"relu{index}"),
        ]
        tensor, channels = f"relu{index}", filters
    nodes.append(helper.make_node("GlobalAveragePool", [tensor], ["scores"], name="pool"))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES, 1, 1])],
        initialisers,
    )
    model = helper.make_model(
        graph,
        producer_name="cvimake",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def build_images(random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Images `[SIZE,SIZE,3]`: a smooth gradient, coloured blocks over it, a little noise."""
    images = []
    for _ in range(IMAGES):
        corners = random.uniform(0, 255, (2, 2, 3))
        position = np.linspace(0.0, 1.0, SIZE)
        column, row = position[None, :, None], position[:, None, None]
        image = (corners[0, 0] * (1 - column) + corners[0, 1] * column) * (1 - row) + (
            corners[1, 0] * (1 - column) + corners[1, 1] * column
        ) * row
        for _ in range(6):
            top, left = random.integers(0, SIZE - 16, 2)
            height, width = random.integers(8, 48, 2)
            image[top : top + height, left : left + width] = random.uniform(0, 255, 3)
        image += random.normal(0.0, 4.0, image.shape)
        images.append(np.clip(np.rint(image), 0, 255).astype(np.uint8))
    return images


def generate(folder: Path) -> None:
    """Writes `tiny.onnx` and `images/*.png` into the folder."""
    random = np.random.default_rng(SEED)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    onnx.save(build_model(random), folder / "tiny.onnx")
    for index, image in enumerate(build_images(random)):
        Image.fromarray(image).save(folder / "images" / f"{index:02}.png", optimize=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
