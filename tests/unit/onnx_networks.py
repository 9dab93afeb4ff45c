"""Small networks, written in ONNX's own text form."""

from __future__ import annotations

import onnx.parser
from onnx import ModelProto


def network(text: str, opset: int, ir: int = 10, *others: str) -> ModelProto:
    """A network of one graph, as `g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }`."""
    imports = ", ".join([f'"" : {opset}', *others])
    return onnx.parser.parse_model(f"<ir_version: {ir}, opset_import: [{imports}]>\n{text}")


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]
