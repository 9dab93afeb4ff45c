"""The operators for which computing samples in several processes was tried, and gives the tools' own bytes.

With these, what a layer computes from one sample does not depend on how much of its output it wrote for the
one before: tests/integration/test_sample_order.py tries random networks of them. Others may, as `top.NonZero`
does, which leaves behind its last value what was there. For a network with any other operator the toolchain's
own tool runs.
"""

from __future__ import annotations

import re
from pathlib import Path

_OPERATOR = re.compile(r'"(top\.\w+)"\(')
# They compute nothing.
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


def untried(mlir: Path) -> list[str]:
    """The other operators of a network, in alphabetical order; of a file that is not there none."""
    if not mlir.is_file():
        return []
    with mlir.open(encoding="utf-8", errors="replace") as lines:
        found = {name for line in lines for name in _OPERATOR.findall(line)}
    return sorted(found - TRIED - _STRUCTURE)
