"""Average precision of boxes, masks and keypoints, and precision and recall at one threshold of the score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import standard_error
from .average_precision import average_precision, mean_of_classes, precision_over_recall
from .evaluation import MEMBER, Evaluation, Kind, Labels, Matched, Result, evaluate, usable

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


def evaluations(labels: Labels, detections: Sequence[Result]) -> dict[str, Evaluation]:
    """Return the evaluation of each of `boxes`, `masks`, `keypoints` that the labels have.

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


def figures_of(labels: Labels, evaluation: Evaluation, threshold: float) -> Figures:
    """Return the figures of boxes, of masks, or of keypoints."""
    names = {one["id"]: one["name"] for one in labels["categories"]}
    by_name = {names[number]: one for number, one in evaluation.sizes["all"].items()}
    once = np.ones((1, len(labels["images"])), np.int64)
    # The first draw is that of all images: its figures are the figures.
    draws = np.concatenate([once, standard_error.draws(len(labels["images"]))])
    of_class = {name: average_precision(one, draws) for name, one in by_name.items()}
    whole = mean_of_classes(list(of_class.values()), len(draws))
    error50, error50_95 = standard_error.of_average_precision(whole[1:])
    labelled = [one for one in by_name.values() if one.objects.any()]
    return {
        **_pair(whole[0]),
        "map50_standard_error": error50,
        "map50_95_standard_error": error50_95,
        "recall_100": _mean([float((one.right.sum(1) / one.objects.sum()).mean()) for one in labelled]),
        "classes": {
            name: {**_pair(of_class[name][0]), "objects": int(one.objects.sum())}
            for name, one in by_name.items()
        },
        "sizes": {
            size: _pair(mean_of_classes([average_precision(one, once) for one in classes.values()], 1)[0])
            for size, classes in evaluation.sizes.items()
            if size != "all"
        },
        "precision_over_recall": _over_recall(labelled),
        "at_threshold": at_threshold(by_name, threshold),
    }


def _over_recall(classes: Sequence[Matched]) -> list[float]:
    """Return the mean precision of classes that have objects at each second recall; empty without classes."""
    if not classes:
        return []
    means = np.mean([precision_over_recall(one)[::2] for one in classes], axis=0)
    return [round(mean, _CURVE_DIGITS) for mean in means.tolist()]


def _pair(found: NDArray[np.float64]) -> Figures:
    """Return the figures of an average precision `[overlaps]`, which is NaN without objects."""
    first, mean = float(found[0]), float(found.mean())
    return {"map50": None if math.isnan(first) else first, "map50_95": None if math.isnan(mean) else mean}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


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
