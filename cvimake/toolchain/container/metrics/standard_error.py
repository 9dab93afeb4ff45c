"""How much a figure would change with other images of the same kind: its standard error.

Average precision is not a mean over images, so no formula gives its error. The bootstrap does: the images
are drawn again with replacement, many times, and the figure is computed for each draw. A jackknife would be
wrong here, because average precision jumps where the order of scores changes. The matches of an image do not
depend on other images, so they are computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluation import Matched

# The error of the error is then 5 %.
_DRAWS = 200
_SEED = 0
# Where pycocotools reads the precision.
_RECALLS = np.linspace(0.0, 1.0, 101)


def of_average_precision(classes: Iterable[Matched]) -> float | None:
    """Return the standard error of mAP50-95; None for fewer than two images, or without objects."""
    usable = [one for one in classes if one.objects.any()]
    count = len(usable[0].objects) if usable else 0
    if count < 2:  # noqa: PLR2004 - one image says nothing about others
        return None
    generator = np.random.RandomState(_SEED)
    draws = generator.multinomial(count, np.full(count, 1 / count), _DRAWS)
    values = [value for draw in draws if (value := mean_average_precision(usable, draw)) is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mean_average_precision(classes: Sequence[Matched], weights: NDArray[np.int64]) -> float | None:
    """Return mAP50-95 with each image counted several times or not at all; None if no object is left.

    Args:
        classes: the matches of each class.
        weights: how often each image counts, `[images]`.
    """
    values = [_average_precision(one, weights) for one in classes if int(one.objects @ weights)]
    return float(np.mean(values)) if values else None


def _average_precision(one: Matched, weights: NDArray[np.int64]) -> float:
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
