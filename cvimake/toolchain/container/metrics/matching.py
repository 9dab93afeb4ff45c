"""Matches detections with labelled objects by the rules of pycocotools, all images at one time.

In each image, the surest detection chooses first: the object that overlaps it most. Only the choices of one
image depend on each other, so the first detections of all images choose together, then the second ones, and
so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]

# pycocotools takes no larger overlap as the least.
_LARGEST = 1 - 1e-10
# So many choices are made together, so that their memory stays small.
_TOGETHER = 1_000_000


@dataclass(frozen=True)
class Near:
    """The pairs of detections and objects that overlap enough, in the order of detections, then of objects.

    Attributes:
        detections: indices, `[pairs]`. The detections of a group are one after another, the surest first.
        objects: indices, `[pairs]`.
        overlaps: `[pairs]`.
    """

    detections: Integers
    objects: Integers
    overlaps: Doubles

    @classmethod
    def of(cls, blocks: Sequence[tuple[int, int, NDArray[Any]]], least: float) -> Near:
        """Return the pairs that overlap by `least` or more.

        Args:
            blocks: for each group its first detection, its first object, and `[detections, objects]`: how
                much each two of them overlap.
            least: the smallest overlap that counts.
        """
        first, second, tables = zip(*blocks, strict=True) if blocks else ((), (), ())
        widths = np.array([table.shape[1] for table in tables], np.int64)
        ends = np.cumsum([table.size for table in tables], dtype=np.int64)
        overlaps = np.concatenate([np.zeros(0), *(table.ravel() for table in tables)])
        # Where two boxes are so small that their areas are 0, the overlap is NaN, and counts.
        near = np.flatnonzero(~(overlaps < min(least, _LARGEST)))
        block = np.searchsorted(ends, near, side="right")
        starts = np.concatenate([np.zeros(1, np.int64), ends])
        rows, columns = np.divmod(near - starts[block], widths[block])
        detections, objects = (np.array(those, np.int64)[block] for those in (first, second))
        return cls(detections + rows, objects + columns, np.nan_to_num(overlaps[near], nan=np.inf))


def match(near: Near, groups: Integers, crowd: Truths, ignored: Truths, limits: Doubles) -> Integers:
    """Return the index of the object of each detection; -1 where it has none.

    It is `[detections, limits, sizes]`. A detection chooses an ignored object only if there is no other.

    Args:
        near: the pairs.
        groups: the group of each detection, ascending, `[detections]`; no object is near to two groups.
        crowd: whether an object is a group of objects, which several detections can choose, `[objects]`.
        ignored: whether it is ignored, for each range of sizes, `[objects, sizes]`.
        limits: the overlaps that count.
    """
    limits = np.minimum(limits, _LARGEST)
    shape = len(limits), ignored.shape[1]
    chosen = np.full((len(groups), *shape), -1, np.int64)
    taken = np.zeros((len(crowd), *shape), bool)
    choosing, first, counts = np.unique(near.detections, return_index=True, return_counts=True)
    for part in _turns(groups[choosing], counts, shape[0] * shape[1]):
        # The objects near to each, `[detections, objects]`. Where there are fewer, the first pair stands.
        places = np.arange(counts[part].max())
        there = places < counts[part, None]
        pairs = np.where(there, first[part, None] + places, 0)
        objects, overlaps = near.objects[pairs], np.where(there, near.overlaps[pairs], -1)[..., None, None]
        free = ~taken[objects] & (overlaps >= limits[:, None])
        better = free & ~ignored[objects][:, :, None]
        free = np.where(better.any(1, keepdims=True), better, free)
        # The last one, if several overlap equally.
        best = len(places) - 1 - np.where(free, overlaps, -1)[:, ::-1].argmax(1)
        objects = objects[np.arange(len(part))[:, None, None], best]
        found = free.any(1)
        chosen[choosing[part]] = np.where(found, objects, -1)
        which = np.nonzero(found & ~crowd[objects])
        taken[(objects[which], which[1], which[2])] = True
    return chosen


def _turns(groups: Integers, counts: Integers, choices: int) -> Iterator[Integers]:
    """Yield indices of detections that can choose together: of each group one, and its surest first.

    Args:
        groups: of each detection, ascending.
        counts: how many objects are near to each.
        choices: how often each of them chooses.
    """
    turns = np.arange(len(groups)) - np.searchsorted(groups, groups)
    for turn in range(int(turns.max(initial=-1)) + 1):
        those = np.flatnonzero(turns == turn)
        size = max(1, _TOGETHER // int(counts[those].max() * choices))
        yield from (those[start : start + size] for start in range(0, len(those), size))
