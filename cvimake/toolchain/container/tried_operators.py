"""Tells whether several processes may compute the samples of a network in the place of the toolchain's tool.

TRIED has the operators for which several processes are known to give the tool's own bytes. With these
operators, the result of a layer for one sample does not depend on how much of its output the layer wrote for
the sample before: tests/integration/test_sample_order.py tries random networks of them. With other operators
it may: `top.NonZero` leaves the old contents of its output behind its last value. For a network with any
other operator the toolchain's own tool runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

_OPERATOR = re.compile(r'"(top\.\w+)"\(')
# These operators compute nothing.
_STRUCTURE = frozenset({"top.Input", "top.None", "top.Weight"})
TRIED = frozenset(
    f"top.{name}"
    for name in (
        "Abs", "Add", "AddConst", "Arccos", "Arctanh", "Arg", "AvgPool", "Ceil", "Clip", "Compare",
        "CompareConst", "Concat", "ConstantFill", "Conv", "Cos", "CumSum", "Deconv", "Depth2Space", "Div",
        "Elu", "Erf", "Exp", "Floor", "GELU", "GRU", "Gather", "GatherElements", "GatherND", "GridSampler",
        "GroupNorm", "HardSigmoid", "HardSwish", "InstanceNorm", "Interp", "LRN", "LSTM", "LayerNorm",
        "LeakyRelu", "Log", "MatMul", "Max", "MaxConst", "MaxPool", "Min", "MinConst", "Mul", "MulConst",
        "PRelu", "Pad", "Permute", "Pow", "Pow2", "Reciprocal", "Reduce", "Relu", "Reshape", "Reverse",
        "RoiAlign", "Round", "Scale", "ScatterElements", "ScatterND", "Shape", "SiLU", "Sigmoid", "Sign",
        "Sin", "Slice", "Softmax", "Softplus", "Sqrt", "Squeeze", "Sub", "SubConst", "Tanh", "Tile", "TopK",
        "Trilu", "Unsqueeze", "Upsample", "Where",
    )
)  # fmt: skip


def obstacle(root: Path, sources: Mapping[str, str], mlir: Path) -> str:
    """Return why several processes may not stand in for a tool; empty if they may.

    Args:
        root: the folder of the toolchain's Python sources.
        sources: the sha256 that the sources have to have, by their paths in that folder.
        mlir: the network.
    """
    for name, expected in sources.items():
        source = root / name
        if not source.is_file() or hashlib.sha256(source.read_bytes()).hexdigest() != expected:
            return f"{name} is not tpu_mlir 1.7's"
    operators = untried(mlir)
    return f"{', '.join(operators)} was not tried" if operators else ""


def untried(mlir: Path) -> list[str]:
    """Return the operators of a network that are not in TRIED, sorted; none if the file is missing."""
    if not mlir.is_file():
        return []
    with mlir.open(encoding="utf-8", errors="replace") as lines:
        found = {name for line in lines for name in _OPERATOR.findall(line)}
    return sorted(found - TRIED - _STRUCTURE)
