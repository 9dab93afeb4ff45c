"""Finds the differences of a cvimodel's objects to those of the float network, and how much they weigh."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pycocotools import mask as coco_mask

from .objects import Box, Marked, Seen

# Two objects of a class are the same from this overlap on, as agreement is measured. With less than the other
# one, the object has moved: this much can be seen.
SAME, UNMOVED = 0.5, 0.8
# A keypoint has moved if it is farther away than this part of the box's diagonal.
_FAR_POINT = 0.1
_VISIBLE = 0.5


@dataclass(frozen=True)
class Compared:
    """The objects of a cvimodel in one image, beside those of the float network.

    Attributes:
        objects: its own, then those that it misses.
        difference: 0 if they are equal; each missed and each extra object adds its score.
    """

    objects: tuple[Marked, ...]
    difference: float


def compare(of_float: Sequence[Seen], own: Sequence[Seen]) -> Compared:
    """Return the objects of a cvimodel with their differences to the float network."""
    pairs = dict(_pairs(of_float, own))
    found = {place: number for number, place in pairs.items()}
    marked: list[Marked] = []
    difference = 0.0
    for place, seen in enumerate(own):
        if place not in found:
            marked.append(Marked(seen, "extra"))
            difference += seen.weight
            continue
        number = found[place]
        before = of_float[number]
        difference += _change(before, seen)
        has_moved = _has_moved(before, seen) if seen.box else number != place
        marked.append(Marked(seen, "moved", before) if has_moved else Marked(seen))
    missed = [seen for number, seen in enumerate(of_float) if number not in pairs]
    difference += sum(seen.weight for seen in missed)
    return Compared((*marked, *(Marked(seen, "missed") for seen in missed)), difference)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, from 0 to 1."""
    shared = 1.0
    for axis in range(2):
        start = max(one[axis], other[axis])
        shared *= max(0.0, min(one[axis] + one[axis + 2], other[axis] + other[axis + 2]) - start)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else float(one == other)


def _pairs(of_float: Sequence[Seen], own: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    """Yield the places of the same object in both; the pairs that overlap most come first."""
    candidates = []
    for number, before in enumerate(of_float):
        for place, seen in enumerate(own):
            if before.number == seen.number and (alike := _alike(before, seen)) >= SAME:
                candidates.append((-alike, number, place))
    taken: tuple[set[int], set[int]] = set(), set()
    for _, number, place in sorted(candidates):
        if number not in taken[0] and place not in taken[1]:
            taken[0].add(number)
            taken[1].add(place)
            yield number, place


def _alike(one: Seen, other: Seen) -> float:
    """Return how well the boxes of two objects overlap; classes of a whole image always do."""
    if one.box is None or other.box is None:
        return float(one.box == other.box)
    return overlap(one.box, other.box)


def _change(before: Seen, after: Seen) -> float:
    """Return how much a pair differs: less than if it was missed and extra."""
    return ((1 - _shape_overlap(before, after)) * after.weight + abs(before.weight - after.weight)) / 2


def _has_moved(before: Seen, after: Seen) -> bool:
    if _shape_overlap(before, after) < UNMOVED:
        return True
    if before.box is None or len(before.keypoints) != len(after.keypoints):
        return False
    far = _FAR_POINT * math.hypot(before.box[2], before.box[3])
    one, other = before.keypoints, after.keypoints
    return any(
        one[place + 2] > _VISIBLE and math.dist(one[place : place + 2], other[place : place + 2]) > far
        for place in range(0, len(one), 3)
    )


def _shape_overlap(one: Seen, other: Seen) -> float:
    """Return the overlap of two boxes, or of two masks if that is less."""
    boxes = _alike(one, other)
    if one.mask is None or other.mask is None:
        return boxes
    ((masks,),) = coco_mask.iou([dict(one.mask)], [dict(other.mask)], [0])
    return min(boxes, float(masks))
