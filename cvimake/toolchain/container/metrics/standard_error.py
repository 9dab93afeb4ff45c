"""How much a figure would change with other images of the same kind: its standard error.

Average precision is not a mean over images, so no formula gives its error. The bootstrap does: the images
are drawn again with replacement, many times, and the figure is computed for each draw. A jackknife would be
wrong here, because average precision jumps where the order of scores changes. The matches of an image do not
depend on other images, so they are computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

# The error of the error is then 5 %.
_DRAWS = 200
_SEED = 0


@functools.cache
def draws(images: int) -> Counts:
    """Return how often each image is drawn, `[draws, images]`; a single image, which says nothing, never."""
    if images < 2:  # noqa: PLR2004 - one image says nothing about others
        return np.zeros((0, images), np.int64)
    return np.random.RandomState(_SEED).multinomial(images, np.full(images, 1 / images), _DRAWS)


def of_average_precision(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the standard errors of mAP50 and of mAP50-95; None for fewer than two draws with objects.

    Args:
        values: mean average precision of each draw, `[draws, overlaps]`, NaN without objects.
    """
    values = values[~np.isnan(values).any(1)]
    return _deviation(values[:, 0].tolist()), _deviation(values.mean(1).tolist())


def of_f1(right: Counts, wrong: Counts, objects: Counts) -> float | None:
    """Return the standard error of 2 right / (right + wrong + objects); None for fewer than two images.

    Args:
        right: the detections that found an object, `[images]`.
        wrong: the others, `[images]`.
        objects: the labelled objects, `[images]`.
    """
    drawn = draws(len(objects))
    whole = drawn @ (right + wrong + objects)
    return _deviation((2 * (drawn @ right)[whole > 0] / whole[whole > 0]).tolist())


def of_fraction(fraction: float, count: int) -> float | None:
    """Return the standard error of a fraction of independent images; None for fewer than two."""
    return float(np.sqrt(fraction * (1 - fraction) / (count - 1))) if count > 1 else None


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
