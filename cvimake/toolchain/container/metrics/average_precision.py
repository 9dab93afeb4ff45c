"""Average precision, by COCO's rules: of all images, or of images that count several times or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluation import Matched

Counts = NDArray[np.int64]
Doubles = NDArray[np.float64]

# Where COCO reads the precision.
RECALLS = np.linspace(0.0, 1.0, 101)


def average_precision(one: Matched, draws: Counts) -> Doubles:
    """Return one class's average precision, `[draws, overlaps]`, and NaN where no object is left.

    Args:
        one: the matches of the class.
        draws: how often each image counts, `[draws, images]`.
    """
    objects = draws @ one.objects
    counts, read = _counts(one, draws), _recalls_read(objects)
    found = np.full((len(draws), len(one.right)), np.nan)
    known: dict[tuple[bytes, bytes], Doubles] = {}
    for overlap, (right, ignored) in enumerate(zip(one.right, one.ignored, strict=True)):
        # Larger overlaps often have the same matches.
        key = right.tobytes(), ignored.tobytes()
        if key not in known:
            reached, best = _curve(right, ignored, counts, read)
            known[key] = (np.diff(reached, axis=0, prepend=0) * best).sum(0) / len(RECALLS)
        found[:, overlap] = known[key]
    found[objects == 0] = np.nan
    return found


def mean_of_classes(classes: Sequence[Doubles], draws: int) -> Doubles:
    """Return the mean of those classes that have a number, `[draws, overlaps]`; NaN if none has one.

    Args:
        classes: `average_precision` of each.
        draws: their number.
    """
    values = np.stack(classes) if classes else np.full((1, draws, 1), np.nan)
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0).sum(0) / there.sum(0))


def precision_over_recall(one: Matched) -> Doubles:
    """Return the precision of a class with objects at each of `RECALLS`, at the smallest overlap."""
    draws = np.ones((1, len(one.objects)), np.int64)
    read = _recalls_read(draws @ one.objects)
    reached, best = _curve(one.right[0], one.ignored[0], _counts(one, draws), read)
    found = np.repeat(best[:, 0], np.diff(reached[:, 0], prepend=0))
    return np.concatenate([found, np.zeros(len(RECALLS) - len(found))])


def _counts(one: Matched, draws: Counts) -> NDArray[np.int32]:
    """Return how often each detection counts, `[detections, draws]`; none after the last right one."""
    last = np.flatnonzero(one.right.any(0)).max(initial=-1) + 1
    return np.ascontiguousarray(draws.T, np.int32)[one.images[:last]]


def _curve(
    right: NDArray[np.bool_], ignored: NDArray[np.bool_], counts: NDArray[np.int32], read: Counts
) -> tuple[Counts, Doubles]:
    """Return the numbers of recalls that are reached, and the best precision there, both `[steps, draws]`.

    Recall grows only at right detections, and while one right detection follows another, precision grows too.
    So each such run is one step.

    Args:
        right: whether each detection found an object, `[detections]`.
        ignored: whether it does not count, `[detections]`.
        counts: how often it counts, `[detections, draws]`.
        read: see `_recalls_read`.
    """
    right, ignored = right[: len(counts)], ignored[: len(counts)]
    counted = np.flatnonzero(~ignored)
    ours = np.concatenate([[False], right[counted], [False]])
    firsts, ends = (np.flatnonzero(ours[1:-1] & ~other) for other in (ours[:-2], ours[2:]))
    if not len(ends):
        return np.zeros((0, counts.shape[1]), np.int64), np.zeros((0, counts.shape[1]))
    places = np.flatnonzero(right)
    found = np.add.reduceat(counts[places], np.searchsorted(places, counted[firsts]), axis=0).cumsum(0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    shown = np.add.reduceat(counts[counted[: ends[-1] + 1]], starts, axis=0).cumsum(0)
    precision = found / np.maximum(shown, 1)
    # The best precision at this recall or more.
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return read[found, np.arange(counts.shape[1])], best


def _recalls_read(objects: Counts) -> Counts:
    """Return how many of `RECALLS` are reached when some objects are found, `[found objects, draws]`.

    Args:
        objects: how many there are in all, `[draws]`.
    """
    numbers = np.arange(int(objects.max(initial=0)) + 1)[:, None]
    return np.asarray(np.searchsorted(RECALLS, numbers / np.maximum(objects, 1), side="right"))
