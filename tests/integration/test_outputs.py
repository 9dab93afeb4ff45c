"""Outputs in the order that was declared, and in the form that the camera takes, in real cvimodels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from networks import Network, save_images
from projects import Project

from cvimake.execution.image.making import ToolchainImage

SIZE, CLASSES = 64, 2
STRIDES = (8, 16, 32)
DECLARATION = """
source = "net.onnx"
[input]
shapes = [[1, 3, 64, 64]]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[output]
%s
[verify]
input = "images/0.png"
[variant.f16]
quantize = "F16"
fuse_preprocess = true
quant_input = true
customization_format = "RGB_PACKED"
"""


def make(folder: Path, output: str) -> Project:
    project = Project.make(folder, "net", DECLARATION % output)
    save_images(project.model / "images", count=1)
    return project


def backbone() -> tuple[Network, dict[int, str]]:
    """Convolutions, and the tensors on the grids of three strides."""
    network, tensor = Network(), "images"
    grids = {}
    for number, stride in enumerate((2, 4, 8, 16, 32)):
        tensor = network.conv(f"conv{number}", tensor, (8 if number else 3, 8), stride=2)
        grids[stride] = tensor
    return network, {stride: grids[stride] for stride in STRIDES}


def info(project: Project) -> Any:  # noqa: ANN401 - a JSON value
    return project.json("_cv181x_f16_info.json")


def test_heads_that_are_exported_in_groups_come_out_as_declared(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    """As today's Ultralytics exports them; an output leads to others, and one is named by two operators."""
    assert toolchain_image.id
    network, grids = backbone()
    channels = {"box": 64, "score": CLASSES}
    shapes = {}
    for kind, count in channels.items():
        for stride, tensor in grids.items():
            network.conv(f"{kind}{stride}", tensor, (8, count), relu=False)
            shapes[f"{kind}{stride}"] = [1, count, SIZE // stride, SIZE // stride]
    last = network.node("Transpose", "last", "score8", perm=[0, 2, 3, 1])
    shapes["chances"] = [1, (SIZE // 8) ** 2, CLASSES]
    network.node("Sigmoid", "chances", network.reshape("rows", last, [1, -1, CLASSES]))
    wanted = [f"{kind}{stride}" for stride in STRIDES for kind in channels] + ["chances", grids[8]]
    project = make(tmp_path, f"names = {json.dumps(wanted)}")
    network.save(project.model / "net.onnx", {"images": [1, 3, SIZE, SIZE]}, shapes)
    known = info(project.built())
    assert [output["declared"] for output in known["outputs"]] == wanted
    assert [output["shape"][1] for output in known["outputs"][:6]] == [64, CLASSES] * 3
    assert known["recognised_as"] == "YOLO11"
    assert known["recognition"]["works"] == "yes"
    # The toolchain has exchanged two layers, and called the result after neither the one nor the other.
    name = "last_Transpose_top.Sigmoid_top.Reshape_f32"
    assert known["outputs"][6]["name"] == name
    shown = project.doit("info", str(project.path("_cv181x_f16.cvimodel")))
    assert f"{name} [1, 64, 2, 1] fp32, is chances\n" in shown.stdout


def test_a_decoded_yolov5_has_the_form_that_the_camera_takes(
    tmp_path: Path, toolchain_image: ToolchainImage
) -> None:
    assert toolchain_image.id
    network, grids = backbone()
    width = 5 + CLASSES
    network.constant("two", np.array(2, np.float32))
    joined = []
    for stride, tensor in grids.items():
        grid = SIZE // stride
        head = network.conv(f"head{stride}", tensor, (8, 3 * width), relu=False)
        rows = network.reshape(f"rows{stride}", head, [1, 3, width, grid, grid])
        last = network.node("Transpose", f"last{stride}", rows, perm=[0, 1, 3, 4, 2])
        chances = network.node("Sigmoid", f"chances{stride}", last)
        parts = [f"{part}{stride}" for part in ("xy", "wh", "scores")]
        network.split(chances, parts, [2, 2, 1 + CLASSES], axis=4)
        cells = np.stack(np.meshgrid(np.arange(grid), np.arange(grid)), 2).astype(np.float32) - 0.5
        network.constant(f"cells{stride}", cells[None, None])
        network.constant(f"stride{stride}", np.array(stride, np.float32))
        network.constant(f"anchors{stride}", np.full((1, 3, 1, 1, 2), 2 * stride, np.float32))
        twice = network.node("Mul", f"twice{stride}", parts[0], "two")
        moved = network.node("Add", f"moved{stride}", twice, f"cells{stride}")
        centre = network.node("Mul", f"centre{stride}", moved, f"stride{stride}")
        square = network.node("Mul", f"square{stride}", parts[1], parts[1])
        size = network.node("Mul", f"size{stride}", square, f"anchors{stride}")
        whole = network.node("Concat", f"whole{stride}", centre, size, parts[2], axis=4)
        joined.append(network.reshape(f"list{stride}", whole, [1, -1, width]))
    network.node("Concat", "output", *joined, axis=1)
    count = 3 * sum((SIZE // stride) ** 2 for stride in STRIDES)
    project = make(tmp_path, "relative_boxes = true")
    network.save(project.model / "net.onnx", {"images": [1, 3, SIZE, SIZE]}, {"output": [1, count, width]})
    known = info(project.built())
    assert (known["recognised_as"], known["recognition"]["works"]) == ("YOLOv5", "yes")
    assert project.json("_onnx.json")["boxes"] == "brought from pixels to fractions of the input"
    # The stage compares the finished cvimodel with its MLIR, and that with the float network.
    reference = np.load(project.path("_top_outputs.npz"))
    (boxes,) = [reference[name] for name in reference.files if name.startswith("output")]
    assert boxes.size == count * width
    assert 0.5 < boxes.reshape(count, width)[:, :2].max() < 1.1
    assert info(project)["similarity"][0]["cosine"] > 0.99
