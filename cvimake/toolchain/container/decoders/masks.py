"""Masks of a segmentation: from coefficients and prototypes to truth values, and to COCO's run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .outputs import Floats, Size

Mask = NDArray[np.bool_]
# A box that is infinitely far away is outside all the same.
_FAR = 1e6
# The sum from which on a cell belongs to a thing, by the firmware.
_SUM = 0.5


def of_camera(coefficients: Floats, prototypes: Floats, centres: Floats) -> Mask:
    """Return the masks `[n,rows,columns]` on the grid of the prototypes, as the firmware makes them.

    It compares the raw sum with 0.5, without a sigmoid, and rounds the box's edges towards zero.

    Args:
        coefficients: `[n,32]`.
        prototypes: `[32,rows,columns]`.
        centres: the boxes `[n,4]`: x and y of the centre, width, height, in fractions of the input.
    """
    _, rows, columns = prototypes.shape
    half = centres[:, 2:] / 2
    edges = np.concatenate([centres[:, :2] - half, centres[:, :2] + half], 1)
    edges = np.trunc(np.clip(edges * Size(columns, rows).edges, -_FAR, _FAR))
    masks = np.zeros((len(coefficients), rows, columns), bool)
    for mask, weights, (left, top, right, bottom) in zip(
        masks, coefficients, edges.astype(np.int64), strict=True
    ):
        down, across = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
        mask[down, across] = np.tensordot(weights, prototypes[:, down, across], 1) > _SUM
    return masks


def in_the_field(coefficients: Floats, prototypes: Floats, boxes: Floats, size: Size) -> Mask:
    """Return the masks `[n,height,width]` in pixels of the input: enlarged, above 0, cut to the box.

    Args:
        coefficients: `[n,32]`.
        prototypes: `[32,rows,columns]`.
        boxes: `[n,4]`: left, top, right, bottom in pixels of the input.
        size: the input's.
    """
    down, across = (
        _enlarging(*pair) for pair in ((size.height, prototypes.shape[1]), (size.width, prototypes.shape[2]))
    )
    masks = np.zeros((len(coefficients), size.height, size.width), bool)
    whole = np.ceil(np.clip(boxes, 0, [size.width, size.height] * 2)).astype(np.int64)
    for mask, weights, (left, top, right, bottom) in zip(masks, coefficients, whole, strict=True):
        small = np.tensordot(weights, prototypes, 1)
        mask[top:bottom, left:right] = down[top:bottom] @ small @ across[left:right].T > 0
    return masks


def _enlarging(large: int, small: int) -> Floats:
    """Return the weights `[large,small]` of a linear interpolation between the middles of cells."""
    places = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(small))), np.float32)


def run_lengths(mask: Mask) -> dict[str, Any]:
    """Return a mask `[rows,columns]` as COCO writes it: the lengths of runs down its columns, zeros first."""
    values = mask.T.reshape(-1)
    changes = np.flatnonzero(values != np.concatenate([[False], values[:-1]]))
    counts = np.diff(np.concatenate([[0], changes, [values.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}
