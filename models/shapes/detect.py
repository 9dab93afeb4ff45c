"""From the six heads of a YOLO11 to boxes: what the camera does, in numpy. Good for any source of the heads.

The layout is that of YOLOv8 and YOLO11. At each stride a box head `[1,64,g,g]` has for each side (left, top,
right, bottom) the logits of a distribution over 16 distances from the cell's middle, in strides; a class
head `[1,classes,g,g]` has logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

STRIDES = (8, 16, 32)
BINS = 16
# Usual for a measurement of average precision: nearly everything is ranked, nothing is chosen yet.
SCORE_THRESHOLD = 0.001
IOU_THRESHOLD = 0.7
MOST_CANDIDATES = 1000
MOST_DETECTIONS = 100


@dataclass(frozen=True)
class Detections:
    """What is seen in one image, the surest first.

    Attributes:
        boxes: `[n,4]`: left, top, right, bottom in pixels of the network's input.
        scores: `[n]`, from 0 to 1.
        classes: `[n]`, indices.
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def decode(heads: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The boxes `[cells,4]` in pixels and the scores `[cells,classes]` of every cell of every grid.

    Args:
        heads: six, box and class of each stride in the order of `STRIDES`.

    Raises:
        ValueError: they are not six, or not of those shapes.
    """
    if len(heads) != 2 * len(STRIDES):
        raise ValueError(f"{len(heads)} heads instead of {2 * len(STRIDES)}")
    boxes, scores = [], []
    for stride, box, logits in zip(STRIDES, heads[::2], heads[1::2], strict=True):
        if box.shape[:2] != (1, 4 * BINS) or logits.shape[2:] != box.shape[2:]:
            raise ValueError(f"heads {list(box.shape)} and {list(logits.shape)} at stride {stride}")
        height, width = box.shape[2:]
        distances = _softmax(box.reshape(4, BINS, -1)).transpose(0, 2, 1) @ np.arange(BINS, dtype=np.float32)
        rows, columns = np.indices((height, width), dtype=np.float32).reshape(2, -1) + 0.5
        left, top, right, bottom = distances
        corners = [columns - left, rows - top, columns + right, rows + bottom]
        boxes.append(np.stack(corners, 1) * stride)
        scores.append(1 / (1 + np.exp(-logits.reshape(logits.shape[1], -1).T)))
    return np.concatenate(boxes), np.concatenate(scores)


def detect(
    heads: Sequence[Floats], score_threshold: float = SCORE_THRESHOLD, iou_threshold: float = IOU_THRESHOLD
) -> Detections:
    """What the heads say, without doubles: of two boxes of a class that overlap more, the surer one stays.

    Raises:
        ValueError: as for `decode`.
    """
    boxes, scores = decode(heads)
    cells, classes = np.nonzero(scores > score_threshold)
    values = scores[cells, classes]
    order = np.argsort(-values, kind="stable")[:MOST_CANDIDATES]
    boxes, values, classes = boxes[cells[order]], values[order], classes[order]
    kept = _suppress(boxes, classes, iou_threshold)[:MOST_DETECTIONS]
    return Detections(boxes=boxes[kept], scores=values[kept], classes=classes[kept])


def overlaps(box: Floats, others: Floats) -> Floats:
    """The intersection over union `[n]` of a box with others `[n,4]`."""
    corner, opposite = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(opposite - corner, 0, None).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1)
    union = (box[2:] - box[:2]).prod() + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def _suppress(boxes: Floats, classes: NDArray[np.int64], iou_threshold: float) -> list[int]:
    """Which of the boxes stay; they come with the surest first."""
    kept: list[int] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < MOST_DETECTIONS:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        doubles = (overlaps(boxes[first], boxes[left]) > iou_threshold) & (classes[left] == classes[first])
        left = left[~doubles]
    return kept


def _softmax(logits: Floats) -> Floats:
    """Over the second axis."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
