"""Average precision of boxes, masks and keypoints, and precision and recall at one threshold of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from . import standard_error
from .evaluation import MEMBER, Kind, Labels, Matched, Result, evaluate, matched, usable

Figures = dict[str, Any]

# A thousandth cannot be seen in a curve.
_CURVE_DIGITS = 3


def labelled_figures(labels: Labels, detections: Sequence[Result], threshold: float) -> Figures:
    """Return all figures of a detector that its labels allow.

    Masks are compared if any label has one, and keypoints likewise.

    Args:
        labels: a COCO dict; ids of annotations begin with 1.
        detections: COCO results, also unsure ones: average precision needs them.
        threshold: the score from which on the camera shows a detection.

    Returns:
        `images`, `objects`, `detections`, `unusable` (left out: NaN, infinity, a negative size), and
        for each of `boxes`, `masks`, `keypoints`:

        - `map50`, `map50_95`: mean average precision at an overlap of 0.5, and over 0.5 to 0.95 (COCO's AP)
        - `map50_standard_error`, `map50_95_standard_error`: of another choice of images of the same kind
        - `recall_100`: the mean recall with 100 detections of an image (COCO's AR; 20 for keypoints)
        - `classes`: the first two and `objects` by the name of the class
        - `sizes`: the first two by COCO's sizes: `small`, `medium`, `large`
        - `precision_over_recall`: the precision at an overlap of 0.5 and at the recalls 0, 0.02, … 1, the
          mean of all classes that have objects; empty if none has
        - `at_threshold`: `threshold`, `precision`, `recall`, `f1`, `f1_standard_error`, at an overlap of
          0.5, and `classes`

        A figure is None if there is no object that it could be about.

    Raises:
        ValueError: labels or detections do not fit each other.
    """
    good = usable(detections)
    return {
        "images": len(labels["images"]),
        "objects": sum(not one.get("iscrowd") for one in labels["annotations"]),
        "detections": len(good),
        "unusable": len(detections) - len(good),
        **{name: figures_of(labels, one, threshold) for name, one in evaluations(labels, good).items()},
    }


def evaluations(labels: Labels, detections: Sequence[Result]) -> dict[str, COCOeval]:
    """Return pycocotools' evaluation of each of `boxes`, `masks`, `keypoints` that the labels have.

    Raises:
        ValueError: a detection does not have what the labels have.
    """
    found = {}
    for name, kind in kinds(labels).items():
        lacking = next((one for one in detections if MEMBER[kind] not in one), None)
        if lacking:
            raise ValueError(f"labels have {name}, but a detection of image {lacking['image_id']} has none")
        found[name] = evaluate(labels, detections, kind)
    return found


def kinds(labels: Labels) -> Mapping[str, Kind]:
    """Return the figures that labels allow, each with pycocotools' word for it."""
    found: dict[str, Kind] = {"boxes": "bbox"}
    if any("segmentation" in one for one in labels["annotations"]):
        found["masks"] = "segm"
    if any("keypoints" in one for one in labels["annotations"]):
        found["keypoints"] = "keypoints"
    return found


def figures_of(labels: Labels, evaluation: COCOeval, threshold: float) -> Figures:
    """Return the figures of boxes, of masks, or of keypoints."""
    # [overlap, recall, class, size, most detections]; the last number of detections is the largest.
    precision = evaluation.eval["precision"][..., -1]
    names = {one["id"]: one["name"] for one in labels["categories"]}
    order = [names[number] for number in evaluation.params.catIds]
    of_class = matched(evaluation)
    by_name = {names[number]: one for number, one in of_class.items()}
    error50, error50_95 = standard_error.of_average_precision(of_class.values())
    return {
        **_pair(precision[:, :, :, 0]),
        "map50_standard_error": error50,
        "map50_95_standard_error": error50_95,
        "recall_100": _mean(evaluation.eval["recall"][:, :, 0, -1]),
        "classes": {
            name: {**_pair(precision[:, :, index, 0]), "objects": int(by_name[name].objects.sum())}
            for index, name in enumerate(order)
        },
        "sizes": {
            size: _pair(precision[:, :, :, index])
            for index, size in enumerate(evaluation.params.areaRngLbl)
            if index
        },
        "precision_over_recall": _over_recall(precision[0, :, :, 0]),
        "at_threshold": at_threshold(by_name, threshold),
    }


def _over_recall(precision: NDArray[np.float64]) -> list[float]:
    """Return the mean of all classes at each second recall of a table `[recalls, classes]`."""
    means = [_mean(row) for row in precision[::2]]
    return [round(mean, _CURVE_DIGITS) for mean in means if mean is not None]


def _pair(precision: NDArray[np.float64]) -> Figures:
    return {"map50": _mean(precision[0]), "map50_95": _mean(precision)}


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that pycocotools could compute; it marks the others with -1."""
    there = values[values > -1]
    return float(there.mean()) if there.size else None


def at_threshold(classes: Mapping[str, Matched], threshold: float) -> Figures:
    """Return precision and recall of the detections from a score on, at an overlap of 0.5.

    The same match is used as for average precision: the surest detections choose their objects first, so
    leaving out the unsure ones changes nothing for the others.
    """
    counted = {name: _counted(one, threshold) for name, one in classes.items()}
    images = max((len(one.objects) for one in classes.values()), default=0)
    whole = sum(counted.values(), start=np.zeros((3, images), np.int64))
    return {
        "threshold": threshold,
        **_rates(*whole.sum(axis=1).tolist()),
        "f1_standard_error": standard_error.of_f1(*whole),
        "classes": {name: _rates(*one.sum(axis=1).tolist()) for name, one in counted.items()},
    }


def _counted(one: Matched, threshold: float) -> NDArray[np.int64]:
    """Return the numbers of right detections, wrong ones, and objects in each image, `[3, images]`."""
    shown = one.scores >= threshold
    right, wrong = (
        np.bincount(one.images[shown & those], minlength=len(one.objects))
        for those in (one.right[0], ~(one.right[0] | one.ignored[0]))
    )
    return np.stack([right, wrong, one.objects])


def _rates(right: int, wrong: int, objects: int) -> Figures:
    precision = right / (right + wrong) if right + wrong else None
    recall = right / objects if objects else None
    total = right + wrong + objects
    return {"precision": precision, "recall": recall, "f1": 2 * right / total if total else None}
