"""Writes what was found in an image in COCO's format of results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from decoders.masks import Mask, run_lengths
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
    results: list[dict[str, Any]] = [
        {"image_id": image, "category_id": category, "score": round(score, _SCORES)}
        for category, score in zip(found.classes[order].tolist(), found.scores[order].tolist(), strict=True)
    ]
    if isinstance(found, Detections):
        boxes = found.boxes[order].tolist()
        for result, place, (left, top, right, bottom) in zip(results, order, boxes, strict=True):
            box = left, top, right - left, bottom - top
            result["bbox"] = [round(number, _PIXELS) for number in box]
            if found.keypoints is not None:
                numbers = found.keypoints[place].reshape(-1).tolist()
                result["keypoints"] = [round(number, _PIXELS) for number in numbers]
            if found.masks is not None:
                result["segmentation"] = _packed(found.masks[place])
    return results


def text(results: Sequence[dict[str, Any]]) -> str:
    """Return results as JSON, without those that only a damaged network gives: JSON has no NaN."""
    return json.dumps(usable(results), sort_keys=True, allow_nan=False) + "\n"


def _packed(mask: Mask) -> dict[str, Any]:
    runs = run_lengths(mask)
    packed = coco_mask.frPyObjects(runs, *runs["size"])
    return {"size": runs["size"], "counts": packed["counts"].decode("ascii")}
