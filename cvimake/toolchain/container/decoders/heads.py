"""The six heads of a YOLO11, a YOLO26 or a YOLOv8: the box and the scores of each cell of three grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .outputs import Floats, Integers, Output, Size, UndecodableError

BINS = 16
SIDES = 4
_HEADS = 6

Pair = tuple[Output, Output]
"""The box head and the score head of one grid."""


@dataclass(frozen=True)
class Cells:
    """Some cells of a grid.

    Attributes:
        rows: `[n]`.
        columns: `[n]`.
        strides: the sides of the cells in pixels, `[n]`.
    """

    rows: Integers
    columns: Integers
    strides: Integers

    @classmethod
    def of(cls, grids: Sequence[tuple[tuple[int, ...], Integers]], size: Size) -> Cells:
        """Return cells of several grids, one grid after another.

        Args:
            grids: for each a head's shape `[1,channels,rows,columns]`, and the numbers of cells, counted row
                by row.
            size: the network's input.
        """
        cells = np.concatenate([numbers for _, numbers in grids])
        counts = [len(numbers) for _, numbers in grids]
        rows, columns = np.divmod(cells, np.repeat([shape[3] for shape, _ in grids], counts))
        return cls(rows, columns, np.repeat([size.height // shape[2] for shape, _ in grids], counts))


def in_turns(outputs: Sequence[Output]) -> list[Pair]:
    """Return the pairs of heads that come in turns: box, score, box, score, box, score."""
    return list(zip(outputs[0:_HEADS:2], outputs[1:_HEADS:2], strict=True))


def grouped(outputs: Sequence[Output]) -> list[Pair]:
    """Return the pairs of heads that come grouped: three of boxes, then three of scores."""
    return list(zip(outputs[0:3], outputs[3:_HEADS], strict=True))


def check(pairs: Sequence[Pair], channels: int) -> None:
    """Refuse pairs of heads whose grids differ, or whose boxes have another number of channels.

    Raises:
        UndecodableError: that is so.
    """
    for box, score in pairs:
        if box.shape[1] != channels or box.shape[2:] != score.shape[2:]:
            raise UndecodableError(
                f"a box head {list(box.shape)} and a score head {list(score.shape)} are no pair: the first "
                f"needs {channels} channels, and both need one grid"
            )


def flat(values: Floats) -> Floats:
    """Return `[channels,cells]` of a head `[channels,rows,columns]`."""
    return values.reshape(len(values), -1)


def mean_distances(values: Floats) -> Floats:
    """Return the means `[4,n]` of four distributions over 16 distances, whose logits are `[64,n]`."""
    logits = values.reshape(SIDES, BINS, -1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    means = np.einsum("sbn,b->sn", powers, np.arange(BINS, dtype=np.float32)) / powers.sum(1)
    return np.asarray(means, np.float32)


def corners(distances: Floats, cells: Cells) -> Floats:
    """Return boxes `[n,4]` in pixels.

    Args:
        distances: `[4,n]`: from the middle of a cell to the four sides of its box, in cells.
        cells: the cells `[n]`.
    """
    left, top, right, bottom = distances
    x, y = cells.columns + 0.5, cells.rows + 0.5
    edges = np.stack([x - left, y - top, x + right, y + bottom]) * cells.strides
    return np.ascontiguousarray(edges.T, np.float32)
