"""How much a figure would change with other images of the same kind: its standard error.

Average precision is not a mean over images, so no formula gives its error. The bootstrap does: the images
are drawn again with replacement, many times, and the figure is computed for each draw. A jackknife would be
wrong here, because average precision jumps where the order of scores changes. The matches of an image do not
depend on other images, so they are computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluation import Matched

Counts = NDArray[np.int64]

# The error of the error is then 5 %.
_DRAWS = 200
_SEED = 0
# Where pycocotools reads the precision.
_RECALLS = np.linspace(0.0, 1.0, 101)


def of_average_precision(classes: Iterable[Matched]) -> tuple[float | None, float | None]:
    """Return the standard errors of mAP50 and of mAP50-95; None for fewer than two images, or no objects.

    Args:
        classes: the matches of each class.
    """
    usable = [one for one in classes if one.objects.any()]
    values = mean_average_precision(usable, _draws(len(usable[0].objects) if usable else 0))
    values = values[~np.isnan(values).any(1)]
    return _deviation(values[:, 0].tolist()), _deviation(values.mean(1).tolist())


def of_f1(right: Counts, wrong: Counts, objects: Counts) -> float | None:
    """Return the standard error of 2 right / (right + wrong + objects); None for fewer than two images.

    Args:
        right: the detections that found an object, `[images]`.
        wrong: the others, `[images]`.
        objects: the labelled objects, `[images]`.
    """
    draws = _draws(len(objects))
    whole = draws @ (right + wrong + objects)
    return _deviation((2 * (draws @ right)[whole > 0] / whole[whole > 0]).tolist())


@functools.cache
def _draws(images: int) -> Counts:
    """Return how often each image is drawn, `[draws, images]`; a single image, which says nothing, never."""
    if images < 2:  # noqa: PLR2004 - one image says nothing about others
        return np.zeros((0, images), np.int64)
    return np.random.RandomState(_SEED).multinomial(images, np.full(images, 1 / images), _DRAWS)


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mean_average_precision(classes: Sequence[Matched], draws: Counts) -> NDArray[np.float64]:
    """Return mean average precision with each image counted several times or not at all.

    It is `[draws, overlaps]`, and NaN if no object is left.

    Args:
        classes: the matches of each class.
        draws: how often each image counts, `[draws, images]`.
    """
    overlaps = len(classes[0].right) if classes else 1
    total, used = np.zeros((len(draws), overlaps)), np.zeros((len(draws), 1), np.int64)
    for one in classes:
        objects = draws @ one.objects
        there = objects > 0
        total[there] += _average_precision(one, draws[there], objects[there])
        used[there] += 1
    with np.errstate(invalid="ignore"):
        return total / used


def _average_precision(one: Matched, draws: Counts, objects: Counts) -> NDArray[np.float64]:
    """Return one class's average precision, `[draws, overlaps]`.

    Args:
        one: the matches of the class.
        draws: how often each image counts, `[draws, images]`.
        objects: the objects in the images that count, at least one, `[draws]`.
    """
    counts = draws[:, one.images]
    shown = counts.cumsum(1)
    read = _recalls_read(objects)
    found = np.zeros((len(draws), len(one.right)))
    for overlap, (right, ignored) in enumerate(zip(one.right, one.ignored, strict=True)):
        # Precision is read at recalls, and recall grows only at right detections.
        places = np.flatnonzero(right)
        if not len(places):
            continue
        ours = counts[:, places].cumsum(1)
        all_shown = shown if not ignored.any() else (counts * ~ignored).cumsum(1)
        precision = ours / np.maximum(all_shown[:, places], 1)
        # The best precision at this recall or more.
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.take_along_axis(read, ours, 1)
        found[:, overlap] = (np.diff(reached, axis=1, prepend=0) * best).sum(1) / len(_RECALLS)
    return found


def _recalls_read(objects: Counts) -> Counts:
    """Return how many of `_RECALLS` are reached when some objects are found, `[draws, found objects]`.

    Args:
        objects: how many there are in all, `[draws]`.
    """
    numbers = np.arange(int(objects.max(initial=0)) + 1)
    return np.asarray(np.searchsorted(_RECALLS, numbers / objects[:, None], side="right"))


def of_fraction(fraction: float, count: int) -> float | None:
    """Return the standard error of a fraction of independent images; None for fewer than two."""
    return float(np.sqrt(fraction * (1 - fraction) / (count - 1))) if count > 1 else None
