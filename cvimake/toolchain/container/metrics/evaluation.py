"""Matches detections with labels, as pycocotools does it, and gives its results as plain arrays."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .matching import Matching

Kind = Literal["bbox", "segm", "keypoints"]
Labels = Mapping[str, Any]
Result = Mapping[str, Any]

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
            objects, `[thresholds, detections]`.
        objects: the number of labelled objects in each image, `[images]`.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.int64]
    right: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]


def usable(detections: Iterable[Result]) -> list[Result]:
    """Leave out detections that only a damaged network gives: with NaN, infinity, or a negative size."""
    return [one for one in detections if _is_usable(one)]


def _is_usable(one: Result) -> bool:
    box = one.get("bbox", ())
    numbers = (one["score"], *box, *one.get("keypoints", ()))
    return all(map(math.isfinite, numbers)) and min(box[2:], default=0) >= 0


def evaluate(labels: Labels, detections: Sequence[Result], kind: Kind, *, pairs: bool = False) -> COCOeval:
    """Return pycocotools' evaluation, with `eval` and `evalImgs`, for its largest number of detections alone.

    Args:
        labels: of the images; not changed.
        detections: their numbers are finite, and each has the member of this kind; not changed.
        kind: boxes, masks or keypoints.
        pairs: only match them, at an overlap of 0.5; `eval` is not made.
    """
    # It prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _index(labels)
        evaluation = Matching(truth, _as_results(truth, detections, kind), kind)
        if kind == "keypoints" and (count := _keypoints(labels)) != _KEYPOINTS_OF_A_PERSON:
            evaluation.params.kpt_oks_sigmas = np.full(count, 1 / count)
        if pairs:
            evaluation.params.iouThrs = evaluation.params.iouThrs[:1]
            # That of all sizes.
            evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.evaluate()
        if not pairs:
            evaluation.accumulate()
    return evaluation


def _index(labels: Labels) -> COCO:
    truth = COCO()
    # pycocotools writes into the annotations.
    truth.dataset = {**labels, "annotations": [dict(one) for one in labels["annotations"]]}
    truth.createIndex()
    return truth


def _as_results(truth: COCO, detections: Sequence[Result], kind: Kind) -> COCO:
    # With other members, pycocotools would take the area from them.
    member = MEMBER[kind]
    results = [
        # pycocotools adds members to a detection, and changes none of these.
        {key: one[key] for key in ("image_id", "category_id", "score", member)}
        for one in detections
    ]
    if results:
        return truth.loadRes(results)
    # loadRes takes no empty list.
    return _index({**truth.dataset, "annotations": []})


def _keypoints(labels: Labels) -> int:
    counts = {len(one["keypoints"]) // 3 for one in labels["annotations"] if "keypoints" in one}
    if len(counts) > 1:
        raise ValueError(f"the labels have objects with different numbers of keypoints: {sorted(counts)}")
    return counts.pop() if counts else _KEYPOINTS_OF_A_PERSON


def matched(evaluation: COCOeval) -> dict[int, Matched]:
    """Return the matches of each class, objects of all sizes together, by the class's id."""
    params = evaluation.params
    areas, images = len(params.areaRng), len(params.imgIds)
    found = {}
    for number, category in enumerate(params.catIds):
        # The first area is that of all sizes.
        start = number * areas * images
        found[category] = _of_class(evaluation.evalImgs[start : start + images], len(params.iouThrs))
    return found


def _of_class(of_images: Sequence[Mapping[str, Any] | None], thresholds: int) -> Matched:
    objects = np.zeros(len(of_images), np.int64)
    scores, images = [np.zeros(0)], [np.zeros(0, np.int64)]
    right, ignored = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)]
    for index, one in enumerate(of_images):
        if one is None:
            continue
        objects[index] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
        scores.append(np.asarray(one["dtScores"], np.float64))
        images.append(np.full(len(one["dtScores"]), index))
        is_ignored = np.asarray(one["dtIgnore"], bool)
        right.append(np.asarray(one["dtMatches"]).astype(bool) & ~is_ignored)
        ignored.append(is_ignored)
    every_score = np.concatenate(scores)
    order = np.argsort(-every_score, kind="mergesort")
    return Matched(
        every_score[order],
        np.concatenate(images)[order],
        np.concatenate(right, axis=1)[:, order],
        np.concatenate(ignored, axis=1)[:, order],
        objects,
    )
