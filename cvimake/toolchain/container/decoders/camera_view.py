"""The things that a user of the camera sees: the decoding of its firmware, with all its faults.

It computes in single precision where the firmware does, so that the same boxes pass a threshold. The sources
are those of `cvimake.camera`: `postprocess` of each kind in `sscma/core/model` of SSCMA-Micro, and `nms` in
`sscma/core/utils`. `docs/camera.md` describes the faults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from . import heads, masks
from .heads import Cells, Pair
from .outputs import Detections, Floats, Integers, Labels, Output, Size, Thresholds, UndecodableError, need
from .suppression import descending, on_the_camera

View = Callable[[Sequence[Output], Size, Thresholds], Detections | Labels]

# Quantised values with a smaller scale count as numbers from 0 to 1, all others as percents.
_FRACTION = np.float32(0.1)
_PERCENT = np.float32(100)
_NVIDIA_SCORE, _NVIDIA_STRIDE, _NVIDIA_SCALE = 0.2, 16, 35
_MASKS = 32
_VALUES_OF_ROW = 6


def decode(kind: str, outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections | Labels:
    """Return what the camera shows of one image.

    Args:
        kind: the kind that the camera takes the network for, as in `cvimake.camera.kinds`.
        outputs: the network's, in its order.
        size: the network's input.
        thresholds: a classifier uses the first one alone; an NvidiaDet has a score of its own.

    Raises:
        UndecodableError: the camera shows nothing of such outputs, or nothing that could be computed.
    """
    if kind in NEVER:
        raise UndecodableError(f"there is no camera view of {kind}: {NEVER[kind]}")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return VIEWS[kind](outputs, size, thresholds)


def _yolo11(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    pairs = heads.in_turns(_of_one_type(need(outputs, 6)))
    heads.check(pairs, heads.SIDES * heads.BINS)
    # The fault: of quantised heads, each is read with the scale of the other one.
    values = [(box.floats(score), score.floats(box)) for box, score in pairs]
    return _from_heads(pairs, values, size, thresholds, _mean_distances)


def _yolo26(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    outputs = _of_one_type(need(outputs, 6))
    # The fault: heads in turns with four classes are taken for grouped ones.
    pairs = (heads.grouped if outputs[1].shape[1] == heads.SIDES else heads.in_turns)(outputs)
    heads.check(pairs, heads.SIDES)
    return _from_heads(
        pairs, [(box.floats(), score.floats()) for box, score in pairs], size, thresholds, np.asarray
    )


def _from_heads(
    pairs: Sequence[Pair],
    values: Sequence[tuple[Floats, Floats]],
    size: Size,
    thresholds: Thresholds,
    distances: Callable[[Floats], Floats],
) -> Detections:
    """Return the detections of three grids: one class for each cell, doubles dropped over all classes."""
    known = pairs[0][1].shape[1]
    if any(score.shape[1] < known for _, score in pairs):
        raise UndecodableError(
            "the score heads have different numbers of classes, and the firmware reads beyond one"
        )
    least = np.float32(thresholds.score)
    lowest = np.log(least / max(np.float32(1) - least, np.finfo(np.float32).eps))
    grids, found = [], []
    for (box, _), (sides, scores) in zip(pairs, values, strict=True):
        logits = heads.flat(scores)[:known]
        best = logits.max(0)
        cells = np.flatnonzero(best > lowest)
        grids.append((box.shape, cells))
        # If several are equal, the firmware takes the last one.
        classes = known - 1 - logits[::-1, cells].argmax(0)
        found.append((distances(heads.flat(sides)[:, cells]), best[cells], classes))
    sides, logits, classes = (np.concatenate(parts, -1) for parts in zip(*found, strict=True))
    centres, best = _centres(sides, Cells.of(grids, size), size), _single(1 / (1 + np.exp(-logits)))
    kept = on_the_camera(centres, best, thresholds.overlap)
    return _by_x(centres[kept], best[kept], classes[kept], size)


def _mean_distances(logits: Floats) -> Floats:
    """Return the mean distances `[4,n]` of logits `[64,n]`; the firmware's powers may overflow."""
    powers = np.exp(logits.reshape(heads.SIDES, heads.BINS, -1))
    parts = powers / powers.sum(1, keepdims=True) * np.arange(heads.BINS, dtype=np.float32)[:, None]
    return np.asarray(parts.sum(1))


def _centres(distances: Floats, cells: Cells, size: Size) -> Floats:
    """Return boxes `[n,4]` in fractions of the input: x and y of the centre, width, height."""
    left, top, right, bottom = distances
    axes = ((left, right, cells.columns, size.width), (top, bottom, cells.rows, size.height))
    middles, lengths = [], []
    for before, after, places, length in axes:
        first = _single((_single(places - before).astype(float) + 0.5) * cells.strides)
        last = _single((_single(places + after).astype(float) + 0.5) * cells.strides)
        middles.append(_single((first.astype(float) + (last - first) / 2) / length))
        lengths.append((last - first) / np.float32(length))
    return np.stack([*middles, *lengths], 1)


def _single(values: NDArray[np.floating]) -> Floats:
    return np.asarray(values, np.float32)


def _yolov5(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    (output,) = need(_typed(outputs, ("fp32", "int8")), 1)
    rows = output.table()
    if not rows.size or rows.shape[1] < _VALUES_OF_ROW:
        raise UndecodableError(
            f"rows of at least {_VALUES_OF_ROW} values are needed, and there is {list(output.shape)}"
        )
    fractions = rows[0, 0] < 1 if output.type == "fp32" else np.float32(output.scale) < _FRACTION
    # The fault: where coordinates are pixels, the score has to be a percentage.
    scores = rows[:, 4] if fractions else rows[:, 4] / _PERCENT
    rows, scores = rows[scores > np.float32(thresholds.score)], scores[scores > np.float32(thresholds.score)]
    units = 1 if fractions else size.edges
    classes = np.where(output.type == "int8" or rows[:, 5:].max(1, initial=-2) > -1, rows[:, 5:].argmax(1), 0)
    centres = np.clip(rows[:, :4] / units, 0, 1)
    kept = on_the_camera(centres, scores, thresholds.overlap)
    return _by_x(centres[kept], scores[kept], classes[kept], size)


def _nvidia_det(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    one, other = need(_typed(outputs, ("fp32",)), 2)
    boxes, sure = (one, other) if one.shape[3] > other.shape[3] else (other, one)
    _, rows, columns, count = sure.shape
    if boxes.shape != (1, rows, columns, heads.SIDES * count):
        raise UndecodableError(
            f"four box values are needed for each score, and there are {list(boxes.shape)}"
        )
    scores = sure.floats()
    places = np.nonzero(scores.astype(float) > _NVIDIA_SCORE)
    sides = boxes.floats().reshape(rows, columns, count, heads.SIDES)[places] * np.float32(_NVIDIA_SCALE)
    middles = np.stack([places[1], places[0]], 1).astype(np.float32) * _NVIDIA_STRIDE + np.float32(0.5)
    units = size.edges[:2]
    first = (middles - sides[:, :2]) / units
    lengths = (middles + sides[:, 2:]) / units - first
    centres = np.concatenate([first + lengths / 2, lengths], 1)
    # The fault: a score is doubled, and can exceed 1.
    doubled, classes = scores[places] * 2, places[2]
    kept = on_the_camera(centres, doubled, thresholds.overlap, classes)
    return _by_x(centres[kept], doubled[kept], classes[kept], size)


def _yolo11_pose(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    (output,) = need(_typed(outputs, ("fp32",)), 1)
    values = output.table()
    points = (len(values) - 5) // 3
    if points < 0:
        raise UndecodableError(f"a box and a score are needed, and there is {list(output.shape)}")
    values = values[:, values[4] > np.float32(thresholds.score)]
    centres, classes = _of_columns(values, size), np.zeros(values.shape[1], np.int64)
    kept = on_the_camera(centres, values[4], thresholds.overlap)[::-1]
    kept = kept[_drawable(centres[kept], size)]
    keypoints = values[5 : 5 + 3 * points, kept].T.reshape(-1, points, 3)
    return Detections(_pixels(centres[kept], size), values[4, kept], classes[kept], keypoints=keypoints)


def _yolo11_seg(outputs: Sequence[Output], size: Size, thresholds: Thresholds) -> Detections:
    output, prototypes = need(_typed(outputs, ("fp32",)), 2)
    values, known = output.table(), output.shape[1] - heads.SIDES - _MASKS
    if known < 1 or prototypes.shape[1] != _MASKS:
        raise UndecodableError(f"no masks can be made of {list(output.shape)} and {list(prototypes.shape)}")
    scores = values[4 : 4 + known]
    classes = known - 1 - scores[::-1].argmax(0)
    best = np.take_along_axis(scores, classes[None], 0)[0]
    # Here the threshold itself is enough.
    found = best >= np.float32(thresholds.score)
    values, best, classes = values[:, found], best[found], classes[found]
    centres = _of_columns(values, size)
    kept = on_the_camera(centres, best, thresholds.overlap, classes)[::-1]
    kept = kept[_drawable(centres[kept], size)]
    shapes = masks.of_camera(values[4 + known :, kept].T, prototypes.floats(), centres[kept])
    return Detections(_pixels(centres[kept], size), best[kept], classes[kept], masks=shapes)


def _classifier(outputs: Sequence[Output], _size: Size, thresholds: Thresholds) -> Labels:
    (output,) = need(_typed(outputs, ("fp32", "int8", "uint8", "uint16")), 1)
    scores = output.table()[:, 0]
    if output.type != "fp32" and np.float32(output.scale) >= _FRACTION:
        scores = scores / _PERCENT
    order = descending(scores)
    order = order[scores[order] > np.float32(thresholds.score)]
    return Labels(scores[order], order)


def _by_x(centres: Floats, scores: Floats, classes: Integers, size: Size) -> Detections:
    """Return boxes that stay in the order of their centres' x."""
    order = np.argsort(centres[:, 0], kind="stable")
    order = order[_drawable(centres[order], size)]
    return Detections(_pixels(centres[order], size), scores[order], classes[order])


def _drawable(centres: Floats, size: Size) -> Integers:
    """Return which boxes have finite edges."""
    return np.flatnonzero(np.isfinite(_pixels(centres, size)).all(1))


def _of_columns(values: Floats, size: Size) -> Floats:
    """Return boxes `[n,4]` in fractions of the input from decoded columns `[4…,n]` in pixels."""
    return np.asarray(values[:4].T / size.edges)


def _pixels(centres: Floats, size: Size) -> Floats:
    """Return left, top, right, bottom in pixels of boxes in fractions of the input."""
    units = size.edges[:2]
    half = centres[:, 2:] / 2
    return np.concatenate([(centres[:, :2] - half) * units, (centres[:, :2] + half) * units], 1)


def _of_one_type(outputs: Sequence[Output]) -> Sequence[Output]:
    """Refuse heads of several types: the firmware looks at the first alone."""
    if len({output.type for output in outputs}) > 1:
        raise UndecodableError("the firmware reads all heads as the type of the first, and they have several")
    return _typed(outputs, ("fp32", "int8"))


def _typed(outputs: Sequence[Output], types: Sequence[str]) -> Sequence[Output]:
    for output in outputs:
        if output.type not in types:
            raise UndecodableError(
                f"the firmware cannot read {output.type} outputs of this kind: {', '.join(types)}"
            )
    return outputs


NEVER = {
    "FOMO": "its boxes are all 0, and the camera's node crashes",
    "YOLOv8": "the firmware reads the boxes from the scores, and finds nothing, ever",
}
VIEWS: dict[str, View] = {
    "YOLOv5": _yolov5,
    "classifier": _classifier,
    "NvidiaDet": _nvidia_det,
    "YOLO11": _yolo11,
    "YOLO11-pose": _yolo11_pose,
    "YOLO11-seg": _yolo11_seg,
    "YOLO26": _yolo26,
}
