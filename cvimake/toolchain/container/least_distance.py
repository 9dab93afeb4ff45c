"""Computes distances of the toolchain's tuner only as far as they decide; plain functions without effects.

The tuner adds up one term for each sample, in their order, divides the sum by their number, and takes the
first threshold with the least result. No term is negative, and rounded sums and quotients keep the order of
their operands. So a sum of the first few terms, divided, is never above the whole distance. A threshold whose
part is already too large needs no further terms.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The number of values that are quantised at a time: as many as the processor's cache holds.
_BLOCK = 32768
# The bounds of INT8, as arrays: with a single number, numpy is four times slower.
_LEAST, _MOST = np.full(_BLOCK, -128, np.float32), np.full(_BLOCK, 127, np.float32)


def first_least(candidates: int, terms: int, term: Callable[[int, int], Any]) -> list[Any]:
    """Return the distance of each candidate, or a part of it: enough to find the first least one.

    The candidate with the least part is always the next to get a further term; of equal parts, the first.
    When it has all of its terms, no other distance is below its own, and none before it is equal. Its value
    is the whole distance. Each other value is greater, or it is equal and comes later.

    Args:
        candidates: their number.
        terms: the number of terms of each.
        term: computes a term from the number of the candidate and its own. It is neither negative nor NaN.
    """
    sums: list[Any] = [0] * candidates
    known = [0] * candidates
    parts: list[tuple[Any, int]] = [(0, number) for number in range(candidates)]
    while known[number := parts[0][1]] < terms:
        sums[number] += term(number, known[number])
        known[number] += 1
        heapq.heapreplace(parts, (sums[number] / terms, number))
    return [part for part, _ in sorted(parts, key=lambda each: each[1])]


def quantised(values: NDArray[Any], threshold: Any, out: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401 - any of numpy's scalars
    """Do the same as the toolchain's `import_quant_bias`, faster: block by block, in place.

    Args:
        values: the values to quantise; see `is_covered`.
        threshold: the threshold.
        out: is filled and returned; it has the shape of the values.
    """
    scale = np.float32(127 / threshold)
    source, target = values.reshape(-1), out.reshape(-1)
    for start in range(0, source.size, _BLOCK):
        block = target[start : start + _BLOCK]
        np.multiply(source[start : start + _BLOCK], scale, out=block)
        np.rint(block, out=block)
        # NaN stays NaN, as it does where the toolchain replaces the values that are above or below.
        np.minimum(block, _MOST[: block.size], out=block)
        np.maximum(block, _LEAST[: block.size], out=block)
        np.divide(block, scale, out=block)
    return out


def is_covered(values: NDArray[Any], threshold: Any) -> bool:  # noqa: ANN401 - any of numpy's scalars
    """Return whether the toolchain quantises these values in float32, and `quantised` can do it."""
    return (
        values.ndim > 0
        and values.flags.c_contiguous
        and values.dtype == np.float32
        # numpy takes float64 if the scale is too large for float32.
        and np.result_type(values, 127 / threshold) == np.float32
    )
