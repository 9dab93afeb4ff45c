"""Families by the form of their outputs, in graphs that have little else than heads."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from cvimake.project.networks import network
from cvimake.project.networks.families import recognise
from cvimake.project.networks.findings import Findings

Shape = list[int]


class Graph:
    """A graph that grows by heads."""

    def __init__(self, *shape: int) -> None:
        self.shape = list(shape)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.outputs: list[str] = []

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - any kind of attribute
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        count = 1
        for length in shape:
            count *= length
        self.weights.append(helper.make_tensor(name, TensorProto.FLOAT, shape, b"\0" * 4 * count, raw=True))
        return name

    def size(self, *lengths: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(helper.make_tensor(name, TensorProto.INT64, [len(lengths)], lengths))
        return name

    def head(self, channels: int, stride: int) -> str:
        """A convolution onto the grid of a stride."""
        return self.add(
            "Conv", "x", self.weight(channels, 3, 1, 1), kernel_shape=[1, 1], strides=[stride, stride]
        )

    def listed(self, tensor: str, channels: int) -> str:
        """Its cells one after another, the channels last."""
        return self.add(
            "Reshape", self.add("Transpose", tensor, perm=[0, 2, 3, 1]), self.size(1, -1, channels)
        )

    def found(self, *outputs: str) -> Findings | None:
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.weights,
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        return recognise(network.from_model(model))


def yunet() -> Findings | None:
    graph = Graph(1, 3, 320, 320)
    outputs = []
    for channels, ends in ((1, "Sigmoid"), (1, "Sigmoid"), (4, ""), (10, "")):
        for stride in (8, 16, 32):
            listed = graph.listed(graph.head(channels, stride), channels)
            outputs.append(graph.add(ends, listed) if ends else listed)
    return graph.found(*outputs)


def blazeface(channels: int = 16, size: int = 128) -> Findings | None:
    graph = Graph(1, 3, size, size)
    near = graph.listed(graph.head(2 * channels, 8), channels)
    far = graph.listed(graph.head(6 * channels, 16), channels)
    scores = [graph.listed(graph.head(count, stride), 1) for count, stride in ((2, 8), (6, 16))]
    return graph.found(graph.add("Concat", near, far, axis=1), graph.add("Concat", *scores, axis=1))


def centerface() -> Findings | None:
    graph = Graph(1, 3, 640, 640)
    heads = [graph.head(channels, 4) for channels in (1, 2, 2, 10)]
    return graph.found(graph.add("Sigmoid", heads[0]), *heads[1:])


def fastestdet() -> Findings | None:
    graph = Graph(1, 3, 352, 352)
    score, box, classes = (graph.head(channels, 16) for channels in (1, 4, 80))
    parts = [graph.add("Sigmoid", score), box, graph.add("Softmax", classes, axis=1)]
    return graph.found(graph.add("Concat", *parts, axis=1))


def nanodet(strides: tuple[int, ...] = (8, 16, 32, 64)) -> Findings | None:
    graph = Graph(1, 3, 320, 320)
    parts = [graph.add("Reshape", graph.head(112, stride), graph.size(1, 112, -1)) for stride in strides]
    return graph.found(graph.add("Transpose", graph.add("Concat", *parts, axis=2), perm=[0, 2, 1]))


def text_detector() -> Findings | None:
    graph = Graph(1, 3, 640, 480)
    half = graph.add("ConvTranspose", graph.head(8, 4), graph.weight(8, 8, 2, 2), strides=[2, 2])
    whole = graph.add("ConvTranspose", graph.add("Relu", half), graph.weight(8, 1, 2, 2), strides=[2, 2])
    return graph.found(graph.add("Sigmoid", whole))


def text_reader() -> Findings | None:
    graph = Graph(1, 3, 48, 320)
    columns = graph.add("Conv", "x", graph.weight(97, 3, 48, 8), kernel_shape=[48, 8], strides=[48, 8])
    return graph.found(graph.add("Softmax", graph.listed(columns, 97), axis=2))


FAMILIES = {
    "YuNet": (yunet, [0.0] * 3, [1.0] * 3, "bgr", 12),
    "BlazeFace": (blazeface, [127.5] * 3, [0.0078431] * 3, "rgb", 2),
    "MediaPipe's palm detector": (lambda: blazeface(18, 192), [127.5] * 3, [0.0078431] * 3, "rgb", 2),
    "CenterFace": (centerface, [0.0] * 3, [1.0] * 3, "rgb", 4),
    "FastestDet": (fastestdet, [0.0] * 3, [0.0039216] * 3, "bgr", 3),
    "NanoDet": (nanodet, [103.53, 116.28, 123.675], [0.0174292, 0.0175070, 0.0171248], "bgr", 4),
    "PP-OCR text detector": (
        text_detector, [123.675, 116.28, 103.53], [0.0171248, 0.0175070, 0.0174292], "bgr", 1
    ),
    "PP-OCR reader": (text_reader, [127.5] * 3, [0.0078431] * 3, "bgr", 1),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_told_by_its_outputs_and_its_preprocessing_is_a_guess(family: str) -> None:
    make, mean, scale, pixels, outputs = FAMILIES[family]
    found = make()
    assert found
    assert found.family == family
    how = found.preprocessing
    assert (list(how.mean), list(how.scale), how.pixel_format) == (mean, scale, pixels)
    assert len(found.outputs) == outputs
    assert any("mean, scale and pixel_format are a guess" in doubt for doubt in found.unsure)


@pytest.mark.parametrize(
    ("make", "ends"),
    [
        (yunet, "Reshape Reshape"),
        (centerface, "Conv Conv Conv Conv"),
        (fastestdet, "Conv Conv Conv"),
        (text_detector, "ConvTranspose"),
        (text_reader, "Reshape"),
    ],
)
def test_outputs_end_before_sigmoids_and_softmax_and_it_is_said_why(make: object, ends: str) -> None:
    found = make()  # type: ignore[operator] # one of the functions above
    assert " ".join(name.partition("_")[0] for name in found.outputs).startswith(ends)
    assert any("behind which most scores lie close to 0" in doubt for doubt in found.unsure)


def test_nanodet_with_three_grids_is_one_too() -> None:
    found = nanodet((8, 16, 32))
    assert found
    assert (found.family, found.classes, len(found.outputs)) == ("NanoDet", 80, 3)


@pytest.mark.parametrize(
    ("classes", "shape", "mean"),
    [(1000, [1, 3, 64, 64], 123.675), (1001, [1, 3, 64, 64], 127.5), (1000, [1, 64, 64, 3], 127.5)],
)
def test_mobilenets_of_torchvision_and_tensorflow_differ_in_their_images(
    classes: int, shape: Shape, mean: float
) -> None:
    graph = Graph(*shape)
    image = "x" if shape[1] == 3 else graph.add("Transpose", "x", perm=[0, 3, 1, 2])
    depthwise = graph.add("Conv", image, graph.weight(3, 1, 3, 3), kernel_shape=[3, 3], group=3)
    features = graph.add("Conv", depthwise, graph.weight(16, 3, 1, 1), kernel_shape=[1, 1])
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", features))
    found = graph.found(graph.add("Gemm", pooled, graph.weight(16, classes)))
    assert found
    assert found.family == "MobileNet-like classifier"
    assert found.preprocessing.mean[0] == mean
    assert found.image.channels_last == (shape[1] != 3)
