"""The things that a network finds by the rules of the field, by which average precision is usually measured.

Several classes of one cell count, doubles are dropped for each class, and hardly any score is too small.
Boxes and masks are computed as the authors of the networks do it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import heads, masks
from .heads import Cells, Pair
from .outputs import Detections, Floats, Integers, Labels, Output, Size, Thresholds, UndecodableError, need
from .suppression import descending, in_the_field

# More candidates than that would only cost time: the surest are kept.
_CANDIDATES = 30_000
_MASKS = 32
_NVIDIA_STRIDE, _NVIDIA_SCALE = 16, 35


USUAL = Thresholds(score=0.001, overlap=0.7)


@dataclass(frozen=True)
class Rules:
    """The rules of a measurement.

    Attributes:
        thresholds: the score and the overlap.
        most: the number of detections of one image at most; 100 and 300 are usual.
        relative_boxes: whether a YOLOv5 has coordinates from 0 to 1; None to find out.
        percent: whether a YOLOv5 has scores from 0 to 100.
    """

    thresholds: Thresholds = USUAL
    most: int = 300
    relative_boxes: bool | None = None
    percent: bool = False


View = Callable[[Sequence[Output], Size, Rules], Detections | Labels]


def decode(
    kind: str, outputs: Sequence[Output], size: Size, rules: Rules | None = None
) -> Detections | Labels:
    """Return the things that a network finds in one image.

    Args:
        kind: the kind of network, as in `cvimake.camera.kinds`.
        outputs: the network's, in its order.
        size: the network's input.
        rules: those of the measurement.

    Raises:
        UndecodableError: the outputs are not those of this kind.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return VIEWS[kind](outputs, size, rules or Rules())


def _yolo11(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    return _distributions(heads.in_turns(need(outputs, 6)), size, rules)


def _yolov8(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    return _distributions(heads.grouped(need(outputs, 6)), size, rules)


def _distributions(pairs: Sequence[Pair], size: Size, rules: Rules) -> Detections:
    heads.check(pairs, heads.SIDES * heads.BINS)
    return _kept(*_candidates(pairs, size, rules, heads.mean_distances), rules)


def _yolo26(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    """Decode heads in either order. The network is trained to find each thing once: nothing is suppressed."""
    first, second = need(outputs, 6)[:2]
    pairs = (heads.in_turns if first.shape[2:] == second.shape[2:] else heads.grouped)(outputs)
    heads.check(pairs, heads.SIDES)
    boxes, scores, classes = _candidates(pairs, size, rules, np.asarray)
    surest = descending(scores)[: rules.most]
    return Detections(boxes[surest], scores[surest], classes[surest])


def _candidates(
    pairs: Sequence[Pair], size: Size, rules: Rules, distances: Callable[[Floats], Floats]
) -> tuple[Floats, Floats, Integers]:
    """Return the boxes, scores and classes of all cells and classes with a sufficient score."""
    score = min(max(rules.thresholds.score, 1e-30), 1 - 1e-7)
    lowest = np.float32(np.log(score / (1 - score)))
    grids, found, start = [], [], 0
    for box, score_head in pairs:
        logits = heads.flat(score_head.floats())
        sure = logits > lowest
        classes, cells = np.divmod(np.flatnonzero(sure), logits.shape[1])
        # A cell with several classes is decoded once.
        used = np.flatnonzero(sure.any(0))
        grids.append((box.shape, used))
        sides = distances(heads.flat(box.floats())[:, used])
        found.append((sides, logits[classes, cells], classes, np.searchsorted(used, cells) + start))
        start += len(used)
    sides, sure, classes, places = (np.concatenate(parts, -1) for parts in zip(*found, strict=True))
    boxes = heads.corners(sides, Cells.of(grids, size))[places]
    scores = np.asarray(1 / (1 + np.exp(-sure)))
    finite = np.isfinite(boxes).all(1)
    return (boxes, scores, classes) if finite.all() else (boxes[finite], scores[finite], classes[finite])


def _kept(boxes: Floats, scores: Floats, classes: Integers, rules: Rules) -> Detections:
    kept = _without_doubles(boxes, scores, classes, rules)
    return Detections(boxes[kept], scores[kept], classes[kept])


def _without_doubles(boxes: Floats, scores: Floats, classes: Integers, rules: Rules) -> Integers:
    # In their own order, so that equal ones stay in it.
    surest = np.sort(descending(scores)[:_CANDIDATES])
    overlap = rules.thresholds.overlap
    return surest[in_the_field(boxes[surest], scores[surest], overlap, classes[surest], rules.most)]


def _yolov5(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    (output,) = need(outputs, 1)
    rows = output.table()
    if not rows.size or rows.shape[1] < 6:  # noqa: PLR2004 - a box, a score, one class
        raise UndecodableError(f"rows of at least 6 values are needed, and there is {list(output.shape)}")
    relative = rules.relative_boxes
    if relative is None:
        # The middles lie all over the input.
        relative = bool(np.nanmax(rows[:, :2]) <= 2)  # noqa: PLR2004 - far above 1, far below any size in pixels
    units = size.edges if relative else np.float32(1)
    sure = rows[:, 4:] / np.float32(100 if rules.percent else 1)
    scores = sure[:, :1] * sure[:, 1:]
    places, classes = np.nonzero(scores > np.float32(rules.thresholds.score))
    boxes = _of_centres(rows[:, :4] * units)
    return _finite(boxes[places], scores[places, classes], classes, rules)


def _finite(boxes: Floats, scores: Floats, classes: Integers, rules: Rules) -> Detections:
    finite = np.isfinite(boxes).all(1)
    return _kept(boxes[finite], scores[finite], classes[finite], rules)


def _of_centres(centres: Floats) -> Floats:
    """Return left, top, right, bottom of boxes `[n,4]`: x and y of the centre, width, height."""
    half = centres[:, 2:4] / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], 1)


def _drawable(columns: Floats) -> Floats:
    """Return those decoded columns `[4…,n]` whose boxes have finite edges."""
    return columns[:, np.isfinite(_of_centres(columns[:4].T)).all(1)]


def _fomo(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    """Decode probabilities `[1,rows,columns,1+classes]`: each cell is a box, and class 0 the background."""
    (output,) = need(outputs, 1)
    scores = output.floats()[:, :, 1:]
    rows, columns, classes = np.nonzero(scores > np.float32(rules.thresholds.score))
    height, width = size.height / scores.shape[0], size.width / scores.shape[1]
    edges = [columns * width, rows * height, (columns + 1) * width, (rows + 1) * height]
    return _kept(np.stack(edges, 1).astype(np.float32), scores[rows, columns, classes], classes, rules)


def _nvidia_det(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    one, other = need(outputs, 2)
    boxes, sure = (one, other) if one.shape[3] > other.shape[3] else (other, one)
    _, height, width, count = sure.shape
    if boxes.shape != (1, height, width, heads.SIDES * count):
        raise UndecodableError(
            f"four box values are needed for each score, and there are {list(boxes.shape)}"
        )
    scores = sure.floats()
    rows, columns, classes = np.nonzero(scores > np.float32(rules.thresholds.score))
    sides = boxes.floats().reshape(height, width, count, heads.SIDES)[rows, columns, classes] * _NVIDIA_SCALE
    middles = np.stack([columns, rows], 1) * _NVIDIA_STRIDE + 0.5
    edges = np.concatenate([middles - sides[:, :2], middles + sides[:, 2:]], 1).astype(np.float32)
    edges = np.clip(edges, 0, size.edges)
    return _finite(edges, scores[rows, columns, classes], classes, rules)


def _yolo11_pose(outputs: Sequence[Output], _size: Size, rules: Rules) -> Detections:
    (output,) = need(outputs, 1)
    values = output.table()
    points = (len(values) - 5) // 3
    if points < 0:
        raise UndecodableError(f"a box and a score are needed, and there is {list(output.shape)}")
    values = _drawable(values[:, values[4] > np.float32(rules.thresholds.score)])
    boxes, classes = _of_centres(values[:4].T), np.zeros(values.shape[1], np.int64)
    kept = _without_doubles(boxes, values[4], classes, rules)
    keypoints = values[5 : 5 + 3 * points, kept].T.reshape(-1, points, 3)
    return Detections(boxes[kept], values[4, kept], classes[kept], keypoints=keypoints)


def _yolo11_seg(outputs: Sequence[Output], size: Size, rules: Rules) -> Detections:
    output, prototypes = need(outputs, 2)
    values, known = output.table(), output.shape[1] - heads.SIDES - _MASKS
    if known < 1 or prototypes.shape[1] != _MASKS:
        raise UndecodableError(f"no masks can be made of {list(output.shape)} and {list(prototypes.shape)}")
    values = _drawable(values)
    scores = values[4 : 4 + known]
    classes, cells = np.nonzero(scores > np.float32(rules.thresholds.score))
    boxes, sure = _of_centres(values[:4, cells].T), scores[classes, cells]
    kept = _without_doubles(boxes, sure, classes, rules)
    coefficients = values[4 + known :, cells[kept]].T
    shapes = masks.in_the_field(coefficients, prototypes.floats(), boxes[kept], size)
    return Detections(boxes[kept], sure[kept], classes[kept], masks=shapes)


def _classifier(outputs: Sequence[Output], _size: Size, _rules: Rules) -> Labels:
    (output,) = need(outputs, 1)
    scores = output.table()[:, 0]
    order = descending(scores)
    return Labels(scores[order], order)


VIEWS: dict[str, View] = {
    "FOMO": _fomo,
    "YOLOv5": _yolov5,
    "classifier": _classifier,
    "YOLOv8": _yolov8,
    "NvidiaDet": _nvidia_det,
    "YOLO11": _yolo11,
    "YOLO11-pose": _yolo11_pose,
    "YOLO11-seg": _yolo11_seg,
    "YOLO26": _yolo26,
}
