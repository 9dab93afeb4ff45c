"""How much a figure would change with other images of the same kind: its standard error.

Average precision is not a mean over images, so no formula gives its error. The bootstrap does: the images
are drawn again with replacement, many times, and the figure is computed for each draw. A jackknife would be
wrong here, because average precision jumps where the order of scores changes. The matches of an image do not
depend on other images, so they are computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .evaluation import Matched

Counts = NDArray[np.int64]

# The error of the error is then 5 %.
_DRAWS = 200
_SEED = 0
# Where pycocotools reads the precision.
_RECALLS = np.linspace(0.0, 1.0, 101)


def of_average_precision(classes: Iterable[Matched], overlaps: slice) -> float | None:
    """Return the standard error of mean average precision; None for fewer than two images, or no objects.

    Args:
        classes: the matches of each class.
        overlaps: those of the ten overlaps that the mean is over.
    """
    usable = [
        replace(one, right=one.right[overlaps], ignored=one.ignored[overlaps])
        for one in classes
        if one.objects.any()
    ]
    draws = _draws(len(usable[0].objects) if usable else 0)
    values = [value for draw in draws if (value := mean_average_precision(usable, draw)) is not None]
    return _deviation(values)


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


def _draws(images: int) -> Counts:
    """Return how often each image is drawn, `[draws, images]`; a single image, which says nothing, never."""
    if images < 2:  # noqa: PLR2004 - one image says nothing about others
        return np.zeros((0, images), np.int64)
    return np.random.RandomState(_SEED).multinomial(images, np.full(images, 1 / images), _DRAWS)


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mean_average_precision(classes: Sequence[Matched], weights: Counts) -> float | None:
    """Return mean average precision with each image counted several times or not at all.

    It is None if no object is left.

    Args:
        classes: the matches of each class.
        weights: how often each image counts, `[images]`.
    """
    values = [_average_precision(one, weights) for one in classes if int(one.objects @ weights)]
    return float(np.mean(values)) if values else None


def _average_precision(one: Matched, weights: Counts) -> float:
    """Return the mean over all thresholds of overlap of one class's average precision."""
    if not len(one.scores):
        return 0.0
    counts = weights[one.images]
    right = np.cumsum(one.right * counts, axis=1)
    wrong = np.cumsum(~(one.right | one.ignored) * counts, axis=1)
    recall = right / int(one.objects @ weights)
    precision = right / np.maximum(right + wrong, 1)
    # The best precision at this recall or more.
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    total = 0.0
    for of_threshold, reached in zip(envelope, recall, strict=True):
        places = np.searchsorted(reached, _RECALLS, side="left")
        total += float(of_threshold[places[places < len(of_threshold)]].sum()) / len(_RECALLS)
    return total / len(recall)


def of_fraction(fraction: float, count: int) -> float | None:
    """Return the standard error of a fraction of independent images; None for fewer than two."""
    return float(np.sqrt(fraction * (1 - fraction) / (count - 1))) if count > 1 else None
