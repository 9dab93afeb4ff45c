"""Drops doubles: of two boxes that overlap, the less sure one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from .outputs import Floats, Integers

_BLOCK = 128
_LATER = np.triu(np.ones((_BLOCK, _BLOCK), bool), 1)
# The firmware takes the overlap of boxes whose union is smaller for 0.
_SMALLEST = np.finfo(np.float32).eps

Truths = NDArray[np.bool_]
Doubles = Callable[[Integers, Integers, Truths | None], Truths]
"""Tells for each of some boxes `[m]` and of others `[n]` whether both are the same thing, `[m,n]`.

The third argument says which of these pairs can be, `[m,n]`; None for all of them.
"""


def overlapping(edges: Floats, threshold: float, smallest: float = 0.0) -> Doubles:
    """Return the test whether two boxes overlap more than a threshold. `_kept` silences its floating errors.

    Args:
        edges: `[n,6]`: for each box left, top, right, bottom, width and height.
        threshold: the intersection over union that counts as an overlap.
        smallest: the union from which on boxes can overlap.
    """
    left, top, right, bottom, width, height = np.ascontiguousarray(edges.T)
    areas, limit = width * height, np.float32(threshold)

    def doubles(ones: Integers, others: Integers, among: Truths | None) -> Truths:
        these = ones[:, None]
        across = np.minimum(right[these], right[others]) - np.maximum(left[these], left[others])
        down = np.minimum(bottom[these], bottom[others]) - np.maximum(top[these], top[others])
        found = (across > 0) & (down > 0)
        if among is not None:
            found &= among
        # Few boxes touch, so only their overlaps are divided.
        pairs = np.flatnonzero(found)
        first, second = np.divmod(pairs, max(1, len(others)))
        shared = across.take(pairs) * down.take(pairs)
        union = areas[ones[first]] + areas[others[second]] - shared
        found.put(pairs, (shared / union > limit) & (np.abs(union) >= smallest))
        return np.asarray(found)

    return doubles


def camera_edges(centres: Floats) -> Floats:
    """Return the edges of boxes as the firmware's overlap has them: it takes the centre for a corner.

    Args:
        centres: `[n,4]`: x and y of the centre, width, height, in fractions of the input.
    """
    parts = [centres[:, :2], centres[:, :2] + centres[:, 2:], centres[:, 2:]]
    return np.concatenate(parts, 1)


def true_edges(corners: Floats) -> Floats:
    """Return the edges of boxes `[n,4]`, which are left, top, right, bottom."""
    return np.concatenate([corners, corners[:, 2:] - corners[:, :2]], 1)


def descending(scores: Floats) -> Integers:
    """Return the order of scores, the greatest first; of equal ones, the later first.

    The firmware puts each detection before the earlier ones, and its sort keeps the order of equals.
    Quantised scores are often equal, and another order changes an average precision in the third place.
    Therefore both views use this one.
    """
    return len(scores) - 1 - np.argsort(-scores[::-1], kind="stable")


def on_the_camera(
    centres: Floats, scores: Floats, overlap: float, classes: Integers | None = None
) -> Integers:
    """Return which boxes the firmware keeps, in the order of `descending`.

    Args:
        centres: `[n,4]`, as for `camera_edges`.
        scores: `[n]`.
        overlap: the threshold.
        classes: `[n]`, where only boxes of the same class count as doubles.
    """
    order = descending(scores)
    # A score of 0 marks a box as dropped.
    order = order[scores[order] != 0]
    doubles = overlapping(camera_edges(centres)[order], overlap, _SMALLEST)
    return np.asarray(order[_kept(doubles, _of(classes, order), len(order))])


def in_the_field(
    corners: Floats, scores: Floats, overlap: float, classes: Integers | None = None, most: int | None = None
) -> Integers:
    """Return which boxes are kept when average precision is measured, in the order of `descending`.

    Args:
        corners: `[n,4]`: left, top, right, bottom.
        scores: `[n]`.
        overlap: the threshold.
        classes: `[n]`, where only boxes of the same class count as doubles.
        most: the number of boxes that are kept at most.
    """
    order = descending(scores)
    doubles = overlapping(true_edges(corners)[order], overlap)
    return order[_kept(doubles, _of(classes, order), len(order), most)]


def _of(classes: Integers | None, order: Integers) -> Integers | None:
    return None if classes is None else classes[order]


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def _kept(doubles: Doubles, classes: Integers | None, count: int, most: int | None = None) -> Integers:
    """Return which of some boxes stay; they come with the surest first."""
    boxes = np.arange(count)
    if count <= _BLOCK:
        # One comparison of all is quicker than one for each class.
        return boxes[_block_kept(doubles, boxes, classes)][:most]
    groups = [boxes] if classes is None else [boxes[classes == number] for number in np.unique(classes)]
    kept = [part for group in groups for part in _blocks_kept(doubles, group, most)]
    return np.sort(np.concatenate([boxes[:0], *kept]))[:most]


def _blocks_kept(doubles: Doubles, left: Integers, most: int | None) -> Iterator[Integers]:
    """Yield which boxes stay. A block of them is compared with itself, and then with all later ones."""
    number = 0
    while len(left) and (most is None or number < most):
        block, left = left[:_BLOCK], left[_BLOCK:]
        block = block[_block_kept(doubles, block)]
        number += len(block)
        left = left[~doubles(block, left, None).any(0)]
        yield block


def _block_kept(doubles: Doubles, block: Integers, classes: Integers | None = None) -> Truths:
    """Return whether each of a few boxes stays.

    Args:
        doubles: the test whether two are the same thing.
        block: the boxes, the surest first.
        classes: of all boxes, where only those of the same class count as doubles.
    """
    # Boxes are doubles of surer ones alone.
    among = _LATER[: len(block), : len(block)]
    if classes is not None:
        among = among & (classes[block, None] == classes[block])
    pairs = doubles(block, block, among)
    stays = np.ones(len(block), bool)
    for row in np.flatnonzero(pairs.any(1)):
        if stays[row]:
            stays[pairs[row]] = False
    return stays
