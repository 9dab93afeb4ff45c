"""How the camera decodes detections, from a description of its firmware; it shares nothing with cvimake.

The firmware takes a file for the first kind whose rule fits its outputs, and decodes with that kind's rule:

- YOLO11: six outputs, the boxes and scores of each grid in turns. One class for each cell, a sigmoid, and for
  each side the mean of a distribution over 16 distances.
- YOLOv8: six outputs, first three of boxes and then three of scores. Its boxes are read from scores: it finds
  nothing, ever.
- YOLO26: as YOLO11, but with four distances in the place of distributions.
- YOLOv5: one output, where the first value below 1 means fractions of the input; otherwise scores count a
  hundredth. Objectness alone is the score.

Doubles are suppressed over all classes, by an overlap that takes the middle of a box for its corner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SCORE, OVERLAP = 0.25, 0.45
BINS = 16


@dataclass(frozen=True)
class Output:
    """An output of a cvimodel: whole numbers stand for multiples of the scale."""

    values: NDArray[np.generic]
    scale: float = 1.0

    @property
    def channels(self) -> int:
        return int(self.values.shape[1])

    @property
    def grid(self) -> int:
        return int(self.values.shape[2])

    def floats(self, scale: float) -> Floats:
        whole = np.issubdtype(self.values.dtype, np.integer)
        return np.asarray(self.values[0], np.float64) * (scale if whole else 1.0)


@dataclass(frozen=True)
class Box:
    """A detection; middle and size as fractions of the input."""

    x: float
    y: float
    width: float
    height: float
    score: float
    label: int

    def overlap(self, other: Box) -> float:
        """The intersection over union, as the field has it."""
        shared = _shared(self.x, self.width, other.x, other.width, 0.5)
        shared *= _shared(self.y, self.height, other.y, other.height, 0.5)
        return shared / (self.width * self.height + other.width * other.height - shared + 1e-12)

    def overlap_on_the_camera(self, other: Box) -> float:
        """The same with the middle taken for the corner."""
        shared = _shared(self.x, self.width, other.x, other.width, 0.0)
        shared *= _shared(self.y, self.height, other.y, other.height, 0.0)
        return shared / (self.width * self.height + other.width * other.height - shared + 1e-12)


def _shared(start: float, length: float, other: float, other_length: float, middle: float) -> float:
    """The length that two stretches share; `middle` is the part of a stretch that lies before its start."""
    start, other = start - middle * length, other - middle * other_length
    return max(0.0, min(start + length, other + other_length) - max(start, other))


def kind(outputs: Sequence[Output]) -> str:
    """The kind that outputs of a detector are taken for; empty for none of those above."""
    if len(outputs) == 1:
        return "YOLOv5" if outputs[0].values.ndim in {3, 4} and outputs[0].grid >= 6 else ""
    grids = [output.grid for output in outputs]
    if len(outputs) != 6:
        return ""
    if grids[:3] == grids[3:] and all(output.channels == 4 * BINS for output in outputs[:3]):
        return "YOLOv8"
    if grids[::2] == grids[1::2] and all(output.channels == 4 * BINS for output in outputs[::2]):
        return "YOLO11"
    if sum(output.channels == 4 for output in outputs) >= 3:
        return "YOLO26"
    return ""


def find(outputs: Sequence[Output], size: int, score: float = SCORE) -> list[Box]:
    """What the camera shows of an image: boxes in the order of their left sides.

    Args:
        outputs: in the order of the cvimodel.
        size: width and height of the input.
        score: what a detection has to exceed; an option of the camera.
    """
    found = kind(outputs)
    if found == "YOLO11":
        # With whole numbers the firmware exchanges the scales of the two.
        pairs = [(box.floats(score.scale), score.floats(box.scale)) for box, score in _in_turns(outputs)]
        boxes = [box for pair in pairs for box in _cells(*pair, size, score)]
    elif found == "YOLO26":
        pairs = [(box.floats(box.scale), score.floats(score.scale)) for box, score in _by_channels(outputs)]
        boxes = [box for pair in pairs for box in _cells(*pair, size, score)]
    elif found == "YOLOv5":
        boxes = list(_rows(outputs[0].floats(outputs[0].scale), size, score))
    else:
        boxes = []
    return sorted(suppressed(boxes), key=lambda box: box.x)


def suppressed(boxes: Sequence[Box]) -> list[Box]:
    """The boxes without doubles."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if all(box.overlap_on_the_camera(better) <= OVERLAP for better in kept):
            kept.append(box)
    return kept


def _in_turns(outputs: Sequence[Output]) -> Iterator[tuple[Output, Output]]:
    return zip(outputs[::2], outputs[1::2], strict=True)


def _by_channels(outputs: Sequence[Output]) -> Iterator[tuple[Output, Output]]:
    boxes = [output for output in outputs if output.channels == 4]
    scores = [output for output in outputs if output.channels != 4]
    return zip(boxes, scores, strict=True)


def _cells(boxes: Floats, scores: Floats, size: int, least: float) -> Iterator[Box]:
    """The boxes of a grid."""
    classes, height, width = scores.shape
    for row in range(height):
        for column in range(width):
            logits = scores[:, row, column]
            # Of equal ones the later.
            label = classes - 1 - int(np.argmax(logits[::-1]))
            score = 1 / (1 + np.exp(-logits[label]))
            if score <= least:
                continue
            left, top, right, bottom = _distances(boxes[:, row, column])
            stride = size / width
            yield Box(
                x=(column + 0.5 + (right - left) / 2) * stride / size,
                y=(row + 0.5 + (bottom - top) / 2) * stride / size,
                width=(left + right) * stride / size,
                height=(top + bottom) * stride / size,
                score=float(score),
                label=label,
            )


def _distances(values: Floats) -> Floats:
    """From the middle of a cell to the four sides, in cells."""
    if len(values) == 4:
        return values
    powers = np.exp(values.reshape(4, BINS))
    return np.asarray(powers @ np.arange(BINS) / powers.sum(1))


def _rows(values: Floats, size: int, least: float) -> Iterator[Box]:
    """The boxes of a YOLOv5's decoded rows."""
    rows = values.reshape(-1, values.shape[-1] if values.shape[-1] > 1 else values.shape[-2])
    fractions = rows[0, 0] < 1
    for row in rows:
        score = row[4] if fractions else row[4] / 100
        if score > least:
            # Middle and size are cut one by one.
            x, y, width, height = np.clip(row[:4] if fractions else row[:4] / size, 0, 1)
            yield Box(x, y, width, height, score, int(np.argmax(row[5:])))
