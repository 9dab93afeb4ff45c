"""Small ONNX graphs, and the exported ones of `data/networks`."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from cvimake.project.networks import network
from cvimake.project.networks.network import Network

EXPORTED = Path(__file__).parent / "data" / "networks"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "models"
Operator = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]


def exported(name: str) -> Network:
    """A graph that Ultralytics exported."""
    return network.from_model(onnx.load_model_from_string(exported_bytes(name)))


def exported_bytes(name: str) -> bytes:
    return gzip.decompress((EXPORTED / f"{name}.onnx.gz").read_bytes())


def model(
    operators: Sequence[Operator],
    outputs: Sequence[str],
    *,
    shape: Sequence[int | str] = (1, 3, 32, 32),
    weights: Mapping[str, Sequence[int]] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A model with the input `x`; weights are named with their shapes and hold zeros."""
    nodes = [
        helper.make_node(op, inputs, names, name=f"n{number}", **attributes)
        for number, (op, inputs, names, attributes) in enumerate(operators)
    ]
    tensors = []
    for name, dims in (weights or {}).items():
        size = 1
        for length in dims:
            size *= length
        tensors.append(helper.make_tensor(name, TensorProto.FLOAT, dims, b"\0" * 4 * size, raw=True))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        tensors,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


def small(operators: Sequence[Operator], outputs: Sequence[str], **options: Any) -> Network:  # noqa: ANN401 - those of `model`
    """The graph of such a model."""
    return network.from_model(model(operators, outputs, **options))


def yolov5(classes: int = 2) -> onnx.ModelProto:
    """A YOLOv5 of nothing but its heads and their decoding, for images of 64 x 64."""
    width = 5 + classes
    operators: list[Operator] = [("Constant", [], ["sizes"], {"value_ints": [2, 2, 1 + classes]})]
    weights: dict[str, Sequence[int]] = {"two": [1]}
    for stride in (8, 16, 32):
        grid = 64 // stride
        weights |= {
            f"w{stride}": [3 * width, 3, 1, 1], f"cells{stride}": [1, 1, grid, grid, 2],
            f"stride{stride}": [1], f"anchors{stride}": [1, 3, 1, 1, 2],
        }  # fmt: skip
        operators += [
            (op, [name if name in {"x", "two", "sizes"} else f"{name}{stride}" for name in inputs],
             [f"{name}{stride}" for name in outputs], attributes)
            for op, inputs, outputs, attributes in (
                ("Conv", ["x", "w"], ["head"], {"strides": [stride, stride]}),
                ("Constant", [], ["rows"], {"value_ints": [1, 3, width, grid, grid]}),
                ("Reshape", ["head", "rows"], ["apart"], {}),
                ("Transpose", ["apart"], ["last"], {"perm": [0, 1, 3, 4, 2]}),
                ("Sigmoid", ["last"], ["chances"], {}),
                ("Split", ["chances", "sizes"], ["xy", "wh", "scores"], {"axis": 4}),
                ("Mul", ["xy", "two"], ["twice"], {}),
                ("Add", ["twice", "cells"], ["moved"], {}),
                ("Mul", ["moved", "stride"], ["centre"], {}),
                ("Mul", ["wh", "wh"], ["square"], {}),
                ("Mul", ["square", "anchors"], ["size"], {}),
                ("Concat", ["centre", "size", "scores"], ["whole"], {"axis": 4}),
                ("Constant", [], ["list"], {"value_ints": [1, -1, width]}),
                ("Reshape", ["whole", "list"], ["listed"], {}),
            )
        ]  # fmt: skip
    operators.append(("Concat", [f"listed{stride}" for stride in (8, 16, 32)], ["output"], {"axis": 1}))
    return model(operators, ["output"], shape=(1, 3, 64, 64), weights=weights)
