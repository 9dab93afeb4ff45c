"""Small ONNX graphs, and the exported ones of `data/networks`."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from cvimake.intake import network
from cvimake.intake.network import Network

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
