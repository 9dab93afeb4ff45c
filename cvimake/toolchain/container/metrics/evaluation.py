"""Compares detections with labels by COCO's rules, and gives the matches as plain arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params

from .matching import Integers, Near, Truths, match

Kind = Literal["bbox", "segm", "keypoints"]
Labels = Mapping[str, Any]
Result = Mapping[str, Any]
Areas = NDArray[np.float64]
Overlap = Callable[[slice, slice], NDArray[np.float64]]
"""Returns how much some detections and some objects overlap, `[detections, objects]`."""

# The member of a detection that each kind compares.
MEMBER = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
# The keypoints of COCO's persons, each with its own tolerance. All others have the same, as in Ultralytics.
_KEYPOINTS_OF_A_PERSON = 17


@dataclass(frozen=True)
class Matched:
    """The detections of one class, the surest first, and the labelled objects that they were matched with.

    Attributes:
        scores: `[detections]`.
        images: the index of each detection's image, `[detections]`.
        right: whether it was matched, for each threshold of overlap, `[thresholds, detections]`.
        ignored: whether it counts neither as right nor as wrong, because it was matched with a group of
            objects, or is of another size, `[thresholds, detections]`.
        objects: the number of labelled objects in each image, `[images]`.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.int64]
    right: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """The matches of detections with labels.

    Attributes:
        sizes: by COCO's name of the size and by the class's id; the first one is `all`.
        pairs: the label's id, the detection's score and the overlap of each match at an overlap of 0.5.
    """

    sizes: Mapping[str, Mapping[int, Matched]]
    pairs: Sequence[tuple[int, float, float]]


def usable(detections: Iterable[Result]) -> list[Result]:
    """Leave out detections that only a damaged network gives: with NaN, infinity, or a negative size."""
    return [one for one in detections if _is_usable(one)]


def _is_usable(one: Result) -> bool:
    box = one.get("bbox", ())
    # A sum of finite numbers is finite: they come from single precision.
    total = one["score"] + sum(box) + sum(one.get("keypoints", ()))
    return math.isfinite(total) and (not box or (box[2] >= 0 and box[3] >= 0))


@dataclass(frozen=True)
class _Things:
    """Detections or objects, ordered by their groups: those of one class in one image.

    Attributes:
        all: the things.
        groups: the group of each, `[things]`: the class's index times the images, plus the image's index.
        starts: the first thing of each group, and the number of things, `[groups + 1]`.
    """

    all: Sequence[Result]
    groups: Integers
    starts: Integers

    @classmethod
    def of(cls, things: Sequence[Result], params: Params, most: int | None = None) -> _Things:
        """Order things; those of classes and images that the labels do not have are left out.

        Args:
            things: labels or detections.
            params: pycocotools'; their classes and images are those of the labels.
            most: so many detections of a group are kept, the surest first; None for labels.
        """
        classes, images = (
            {number: place for place, number in enumerate(numbers)}
            for numbers in (params.catIds, params.imgIds)
        )
        known = [one for one in things if one["category_id"] in classes and one["image_id"] in images]
        groups = np.array(
            [classes[one["category_id"]] * len(images) + images[one["image_id"]] for one in known], np.int64
        )
        scores = np.array([0.0 if most is None else -one["score"] for one in known])
        order = np.lexsort((scores, groups))
        numbers = np.arange(len(classes) * len(images) + 1)
        if most is not None:
            order = order[np.arange(len(order)) - np.searchsorted(groups[order], groups[order]) < most]
        groups = groups[order]
        return cls([known[place] for place in order.tolist()], groups, np.searchsorted(groups, numbers))

    def numbers(self, of: Callable[[Result], Any], kind: type = float) -> NDArray[Any]:
        """Return a number of each thing."""
        return np.array([of(one) for one in self.all], kind)


def evaluate(labels: Labels, detections: Sequence[Result], kind: Kind, *, pairs: bool = False) -> Evaluation:
    """Return the matches of pycocotools, for its largest number of detections alone.

    Args:
        labels: of the images; not changed.
        detections: their numbers are finite, and each has the member of this kind; not changed.
        kind: boxes, masks or keypoints.
        pairs: only the pairs are needed; there is but one size and one overlap.
    """
    params = Params(kind)
    params.imgIds = sorted({one["id"] for one in labels["images"]})
    params.catIds = sorted({one["id"] for one in labels["categories"]})
    found = _Things.of(detections, params, params.maxDets[-1])
    objects = _Things.of(labels["annotations"], params)
    # Only the first overlap and the first range of sizes, which is that of all, have pairs.
    limits, ranges = (values[:1] if pairs else values for values in (params.iouThrs, params.areaRng))
    crowd = objects.numbers(lambda one: bool(one.get("iscrowd")), bool)
    empty = objects.numbers(lambda one: kind == "keypoints" and not one["num_keypoints"], bool)
    outside = _outside(objects.numbers(operator.itemgetter("area")), ranges)
    ignored = (crowd | empty)[:, None] | outside
    overlap, areas = _OVERLAPS[kind](labels, found.all, objects.all, crowd)
    near = Near.of(list(_blocks(found.starts, objects.starts, overlap)), limits[0])
    chosen = match(near, found.groups, crowd, ignored, limits)
    has = chosen >= 0
    unsure = has & ignored[chosen, np.arange(len(ranges))] if len(ignored) else has
    right, left_out = has & ~unsure, np.where(has, unsure, _outside(areas, ranges)[:, None])
    scores = found.numbers(operator.itemgetter("score"))
    sizes = {}
    for place, size in enumerate(params.areaRngLbl[: len(ranges)]):
        counts = np.bincount(objects.groups[~ignored[:, place]], minlength=len(found.starts) - 1)
        of_size = right[..., place], left_out[..., place]
        sizes[size] = dict(
            zip(params.catIds, _of_classes(params, found, scores, of_size, counts), strict=True)
        )
    pair = chosen[near.detections, 0, 0] == near.objects
    label_ids = [objects.all[place]["id"] for place in near.objects[pair].tolist()]
    of_pairs = scores[near.detections[pair]].tolist(), near.overlaps[pair].tolist()
    return Evaluation(sizes, list(zip(label_ids, *of_pairs, strict=True)))


def _outside(areas: Areas, ranges: Sequence[Sequence[float]]) -> Truths:
    """Return whether areas `[n]` are outside of ranges, `[n, ranges]`."""
    least, most = np.array(ranges, np.float64).T
    return np.asarray((areas[:, None] < least) | (areas[:, None] > most))


def _of_classes(
    params: Params,
    found: _Things,
    scores: NDArray[np.float64],
    of_size: tuple[Truths, Truths],
    counts: Integers,
) -> Iterator[Matched]:
    """Yield the matches of each class, in the order of `params`.

    Args:
        params: pycocotools'.
        found: the detections.
        scores: of the detections, `[detections]`.
        of_size: `right` and `ignored` of the detections, `[detections, thresholds]`.
        counts: the objects of each group, `[groups]`.
    """
    images = len(params.imgIds)
    for place in range(len(params.catIds)):
        group = place * images
        those = slice(found.starts[group], found.starts[group + images])
        order = np.argsort(-scores[those], kind="stable") + those.start
        right, ignored = (np.ascontiguousarray(values[order].T) for values in of_size)
        in_image = found.groups[order] - group
        yield Matched(scores[order], in_image, right, ignored, counts[group : group + images])


def _blocks(
    found: Integers, objects: Integers, overlap: Overlap
) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Yield the first detection, the first object and the overlaps of each group that has both."""
    both = np.flatnonzero((np.diff(found) > 0) & (np.diff(objects) > 0))
    ends = (found[both], found[both + 1], objects[both], objects[both + 1])
    for first, last, one, other in zip(*(end.tolist() for end in ends), strict=True):
        yield first, one, overlap(slice(first, last), slice(one, other))


def _of_boxes(
    _labels: Labels, found: Sequence[Result], objects: Sequence[Result], crowd: Truths
) -> tuple[Overlap, Areas]:
    ours, theirs = (
        np.array([one["bbox"] for one in things], np.float64).reshape(-1, 4) for things in (found, objects)
    )
    return lambda one, other: mask.iou(ours[one], theirs[other], crowd[other]), ours[:, 2] * ours[:, 3]


def _of_masks(
    labels: Labels, found: Sequence[Result], objects: Sequence[Result], crowd: Truths
) -> tuple[Overlap, Areas]:
    coco = COCO()
    coco.imgs = {image["id"]: image for image in labels["images"]}
    ours, theirs = ([coco.annToRLE(one) for one in things] for things in (found, objects))
    areas = np.array(mask.area(ours), np.float64)
    return lambda one, other: mask.iou(ours[one], theirs[other], crowd[other]), areas


def _of_keypoints(
    labels: Labels, found: Sequence[Result], objects: Sequence[Result], _crowd: Truths
) -> tuple[Overlap, Areas]:
    coco = COCOeval(iouType="keypoints")
    if (count := _keypoints(labels)) != _KEYPOINTS_OF_A_PERSON:
        coco.params.kpt_oks_sigmas = np.full(count, 1 / count)

    def overlap(one: slice, other: slice) -> NDArray[np.float64]:
        coco._dts, coco._gts = {(0, 0): found[one]}, {(0, 0): objects[other]}  # noqa: SLF001 - it has no other way
        return np.asarray(coco.computeOks(0, 0))

    points = np.array([one["keypoints"] for one in found], np.float64).reshape(len(found), -1, 3)
    return overlap, np.ptp(points[..., :2], 1).prod(1) if points.size else np.zeros(len(found))


def _keypoints(labels: Labels) -> int:
    counts = {len(one["keypoints"]) // 3 for one in labels["annotations"] if "keypoints" in one}
    if len(counts) > 1:
        raise ValueError(f"the labels have objects with different numbers of keypoints: {sorted(counts)}")
    return counts.pop() if counts else _KEYPOINTS_OF_A_PERSON


_OVERLAPS = {"bbox": _of_boxes, "segm": _of_masks, "keypoints": _of_keypoints}
