"""Writes what was found in an image in COCO's format of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from decoders.masks import run_lengths
from decoders.outputs import Detections, Labels
from metrics.evaluation import usable
from pycocotools import mask as coco_mask

# Digits behind the point: of pixels, and of scores. Two of pixels change mAP50-95 by 0.0004.
_PIXELS, _SCORES = 4, 6


def of_image(found: Detections | Labels | None, image: int) -> list[dict[str, Any]]:
    """Return what was found in an image, the surest first.

    Args:
        found: boxes, points and masks in pixels of the image, or the classes of the whole image.
        image: the image's id.
    """
    if found is None:
        return []
    order = (-found.scores).argsort(kind="stable")
    results = [
        {
            "image_id": image,
            "category_id": int(found.classes[place]),
            "score": round(float(found.scores[place]), _SCORES),
        }
        for place in order
    ]
    if isinstance(found, Detections):
        for result, place in zip(results, order, strict=True):
            result.update(_shape(found, int(place)))
    return results


def text(results: Sequence[dict[str, Any]]) -> str:
    """Return results as JSON, without those that only a damaged network gives: JSON has no NaN."""
    return json.dumps(usable(results), sort_keys=True, allow_nan=False) + "\n"


def _shape(found: Detections, place: int) -> dict[str, Any]:
    left, top, right, bottom = (float(edge) for edge in found.boxes[place])
    box = left, top, right - left, bottom - top
    shape: dict[str, Any] = {"bbox": [round(number, _PIXELS) for number in box]}
    if found.keypoints is not None:
        shape["keypoints"] = [round(float(number), _PIXELS) for number in found.keypoints[place].reshape(-1)]
    if found.masks is not None:
        runs = run_lengths(found.masks[place])
        packed = coco_mask.frPyObjects(runs, *runs["size"])
        shape["segmentation"] = {"size": runs["size"], "counts": packed["counts"].decode("ascii")}
    return shape
