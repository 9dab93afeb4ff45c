"""Reads and computes a network in the way in which the toolchain's calibrator goes through it."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from calibration_shards import Layer
from copied_layers import CopiedLayers

original: Any = importlib.import_module("calibration.kld_calibrator")


def compute(  # noqa: PLR0913, PLR0917 - all that the toolchain computes it from
    module: Any,  # noqa: ANN401 - the toolchain's own
    parser: Any,  # noqa: ANN401 - the toolchain's own
    fused: Mapping[str, str],
    name: str,
    held: dict[str, list[Any]],
    copied: CopiedLayers | None,
) -> None:
    """Compute a layer for one sample, as the toolchain's calibrator does.

    The toolchain takes a layer's result from a hook, and copies it. The arrays that its module returns are
    copies already.

    Args:
        module: the network.
        parser: its parser.
        fused: the names of fused operators by their layers.
        name: the layer.
        held: the sample's tensors, each with the number of layers that will read it. The results are added.
        copied: copies the layers that do nothing else; None to compute all.
    """
    operands = parser.get_pre_op_by_op_name(name)
    if name in held or not (operands or name in fused):
        return
    operand = copied.operand(name) if copied else None
    if copied and operand in held:
        result = copied.copy(name, held[operand][0])
        if result is not None:
            held[name] = [result, parser.get_use_count_by_op_name(name)]
            return
    for each in operands:
        if each in held:
            module.set_tensor(each, held[each][0])
    held[name] = [module.invoke_at(name), parser.get_use_count_by_op_name(name)]
    outputs = parser.get_outputs_by_op_name(name)
    if outputs is None and name in fused:
        outputs = parser.get_outputs_by_op_name(fused[name])
    for output in outputs or ():
        count = parser.get_use_count_by_op_name(output)
        if output != name and count > 0:
            held[output] = [module.get_tensor(output), count]


def draw_no_bars() -> None:
    """Leave the bars of progress to the first process, also those that it had begun before the fork."""
    # The thread that watches all bars may have held the lock at the moment of the fork.
    original.tqdm.set_lock(threading.RLock())
    for bar in getattr(original.tqdm, "_instances", ()):
        bar.disable = True
    original.tqdm = functools.partial(original.tqdm, disable=True)


def layers(parser: Any) -> list[Layer]:  # noqa: ANN401 - the toolchain's own
    """Return the layers in the order in which the calibrator goes through them."""
    tensors = set(parser.get_op_output_name_list())
    return [
        Layer(
            outputs=tuple(op.outputs),
            sizes=tuple(_sizes(op, len(op.outputs))),
            operands=tuple(name for name in op.opds if name in tensors),
            found=tuple(parser.get_pre_op_by_op_name(original.split_fuseop(op.name))),
        )
        for op in parser.ops
    ]


def _sizes(op: Any, count: int) -> list[int]:  # noqa: ANN401 - the toolchain's own
    shapes = [original.mlir.ir.ShapedType(each.type) for each in op.op.results if str(each.type) != "none"]
    sizes = [int(np.prod([shape.get_dim_size(axis) for axis in range(shape.rank)])) for shape in shapes]
    return (sizes + [0] * count)[:count]


def module_bytes(parser: Any) -> int:  # noqa: ANN401 - the toolchain's own
    """Return the bytes that a loaded network holds: its weights, and room for every tensor."""
    names = ["top.None", "func.return"]
    weights = [op for op in parser.body.operations if op.operation.name not in names]
    return 4 * sum(
        int(np.prod([shape.get_dim_size(axis) for axis in range(shape.rank)]))
        for op in weights
        for each in op.results
        if str(each.type) != "none"
        for shape in [original.mlir.ir.ShapedType(each.type)]
    )


def remember(parser: Any) -> None:  # noqa: ANN401 - the toolchain's own
    """Make a parser remember its searches through the whole network: the network does not change."""
    for name in ("get_pre_op_by_op_name", "get_use_count_by_op_name", "get_outputs_by_op_name",
                 "get_op_name_list", "get_op_type_by_op_name"):  # fmt: skip
        setattr(parser, name, functools.cache(getattr(parser, name)))
