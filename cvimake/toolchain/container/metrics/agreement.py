"""How far a variant agrees with the float network: figures for anybody who has images, but no labels.

They say how much the quantisation changed, and not how good the network is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import standard_error
from .classifiers import confusions, ranked
from .detectors import evaluations, figures_of
from .evaluation import Labels, Result, evaluate, usable

Figures = dict[str, Any]

# An object in COCO's form needs an area. Of keypoints it is the box, as labels without a mask have it.
_AREA_OF_A_POSE = 0.53


def agreement(
    frame: Labels, truth: Sequence[Result], detections: Sequence[Result], *, sure: float
) -> Figures:
    """Return how far detections agree with those of the float network.

    Args:
        frame: `images` and `categories` of a COCO dict; annotations are not looked at.
        truth: the float network's detections, also unsure ones.
        detections: those to compare, decoded in the same way.
        sure: the score from which on a detection of the float network is the truth.

    Returns:
        The figures of `labelled_figures` with the sure detections as labels, and

        - `sure`: the threshold
        - `lost`: sure detections of the float network that no detection overlaps by a half
        - `added`: sure detections that overlap no detection of the float network, however unsure
        - `score_moved`, `score_moved_most`: the mean and the largest change of a matched detection's score
        - `mean_iou` in `boxes` and `masks`, `mean_oks` in `keypoints`: the mean overlap of matched pairs
    """
    good_truth, good = usable(truth), usable(detections)
    labels = _as_labels(frame, good_truth, sure)
    figures: Figures = {
        "sure": sure,
        "images": len(frame["images"]),
        "objects": len(labels["annotations"]),
        "detections": len(good),
        "unusable": len(detections) - len(good),
    }
    scores = {one["id"]: one["score"] for one in labels["annotations"]}
    for name, evaluation in evaluations(labels, good).items():
        pairs = evaluation.pairs
        overlap = "mean_oks" if name == "keypoints" else "mean_iou"
        figures[name] = figures_of(labels, evaluation, sure)
        figures[name][overlap] = _mean([pair[2] for pair in pairs])
        if name == "boxes":
            moved = [abs(score - scores[number]) for number, score, _ in pairs]
            figures |= {"lost": len(scores) - len(pairs), "score_moved": _mean(moved)}
            figures["score_moved_most"] = max(moved, default=None)
    # The other way round: what the variant is sure of, looked for in the float network.
    other = _as_labels(frame, good, sure)
    back = len(evaluate(other, good_truth, "bbox", pairs=True).pairs)
    return {**figures, "added": len(other["annotations"]) - back}


def _as_labels(frame: Labels, detections: Sequence[Result], sure: float) -> dict[str, Any]:
    """Return the sure detections as labels."""
    annotations: list[dict[str, Any]] = []
    for one in detections:
        if one["score"] < sure:
            continue
        _, _, width, height = one["bbox"]
        label = {
            "id": len(annotations) + 1,
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "score": float(one["score"]),
            "bbox": list(one["bbox"]),
            "area": width * height,
            "iscrowd": 0,
        }
        if "segmentation" in one:
            label["segmentation"] = dict(one["segmentation"])
        if "keypoints" in one:
            # The third number of a keypoint is a score here, and in labels it says whether it is visible.
            places = np.asarray(one["keypoints"], np.float64).reshape(-1, 3)
            places[:, 2] = 2
            label |= {
                "keypoints": places.ravel().tolist(),
                "num_keypoints": len(places),
                "area": width * height * _AREA_OF_A_POSE,
            }
        annotations.append(label)
    # pycocotools looks up an image's size even for masks that have their own.
    images = [{"width": 0, "height": 0, **image} for image in frame["images"]]
    return {"images": images, "categories": frame["categories"], "annotations": annotations}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def classifier_agreement(
    truth: Sequence[Result], results: Sequence[Result], names: Mapping[int, str]
) -> Figures:
    """Return how far a classifier agrees with the float network.

    Args:
        truth: `image_id`, `category_id` and `score` of the float network's surest classes of each image.
        results: those to compare.
        names: of the classes.

    Returns:
        `images`, `same_top1` (the fraction of images with the same surest class), `same_top1_standard_error`,
        `confusions` (the float network's surest class as `of`, the other's as `as`, and the number of
        `images`), `score_moved` and `score_moved_most` (the mean and the largest change of the score of the
        float network's surest class, where the other result has this class).
    """
    first, second = ranked(usable(truth)), ranked(usable(results))
    best: Mapping[int, tuple[int, float]] = {image: found[0] for image, found in first.items()}
    same = sum(image in second and second[image][0][0] == number for image, (number, _) in best.items())
    others = {image: dict(found) for image, found in second.items()}
    moved = [
        abs(score - others[image][number])
        for image, (number, score) in best.items()
        if number in others.get(image, {})
    ]
    fraction = same / len(best) if best else None
    return {
        "images": len(best),
        "same_top1": fraction,
        "same_top1_standard_error": None
        if fraction is None
        else standard_error.of_fraction(fraction, len(best)),
        "confusions": confusions(
            {image: number for image, (number, _) in best.items()},
            {image: found[0][0] for image, found in second.items()},
            names,
        ),
        "score_moved": _mean(moved),
        "score_moved_most": max(moved, default=None),
    }
