"""Outputs of networks with an input of 32x32 pixels, drawn by hand: nothing is found where nothing is put."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvimake.toolchain.container.decoders.outputs import Output, Size

SIZE = Size(32, 32)
GRIDS = (4, 2, 1)
BACKGROUND = -9.0
# exp(20) is 5e8: all other distances together weigh nothing.
SURE = 20.0

Heads = list[NDArray[np.float32]]


def empty(classes: int = 3, box_channels: int = 64) -> Heads:
    """Six heads in turns without a detection."""
    return [
        head
        for grid in GRIDS
        for head in (
            np.zeros((1, box_channels, grid, grid), np.float32),
            np.full((1, classes, grid, grid), BACKGROUND, np.float32),
        )
    ]


def put(heads: Heads, grid: int, cell: tuple[int, int], sides: tuple[float, ...], *logits: float) -> None:
    """Put a box into a cell (row, column): distances left, top, right, bottom in cells; logits."""
    box, score = heads[2 * grid : 2 * grid + 2]
    if box.shape[1] == 4:
        box[0, :, cell[0], cell[1]] = sides
    else:
        for side, distance in enumerate(sides):
            box[0, 16 * side + int(distance), cell[0], cell[1]] = SURE
    score[0, :, cell[0], cell[1]] = logits


def outputs(heads: Heads) -> list[Output]:
    return [Output(head) for head in heads]


def grouped(heads: Heads) -> Heads:
    return [*heads[::2], *heads[1::2]]


def quantised(values: NDArray[np.float32], scale: float) -> Output:
    return Output(np.clip(np.round(values / scale), -128, 127).astype(np.int8), scale)
