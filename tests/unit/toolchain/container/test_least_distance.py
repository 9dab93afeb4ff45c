from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cvimake.toolchain.container.least_distance import first_least, is_covered, quantised


def chosen(distances: Sequence[Any]) -> int:
    """The threshold that tpu_mlir 1.7 takes, given the distance of each."""
    best = 0
    for number, distance in enumerate(distances):
        if distance < distances[best]:
            best = number
    return best


def whole(terms: Sequence[Any]) -> Any:  # noqa: ANN401 - numbers of Python or numpy
    total: Any = 0
    for term in terms:
        total += term
    return total / len(terms)


# Few different values, so that sums are often equal; the last ones vanish or round beside the others.
TERMS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1 / 3, 0.1, 1e-9, 1e-30, 3e38, math.inf])


TABLES = st.integers(1, 5).flatmap(
    lambda count: st.lists(st.lists(TERMS, min_size=count, max_size=count), min_size=1, max_size=9)
)


@given(
    TABLES,
    st.sampled_from([np.float32, np.float64]),
)
def test_the_toolchain_would_take_the_same_threshold(table: list[list[float]], kind: Any) -> None:  # noqa: ANN401 - one of numpy's types
    with np.errstate(all="ignore"):
        terms = [[kind(value) for value in row] for row in table]
        distances = [whole(row) for row in terms]
    asked: list[tuple[int, int]] = []

    def term(candidate: int, number: int) -> Any:  # noqa: ANN401 - numbers of Python or numpy
        asked.append((candidate, number))
        return terms[candidate][number]

    with np.errstate(all="ignore"):
        found = first_least(len(terms), len(terms[0]), term)
    best = chosen(distances)
    assert chosen(found) == best
    assert found[best] == distances[best]
    assert all(part <= distance for part, distance in zip(found, distances, strict=True))
    assert len(set(asked)) == len(asked), "no term is computed twice"


def test_a_candidate_that_cannot_win_gets_no_further_terms() -> None:
    table = [[8.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 3.0, 1.0]]
    asked = []

    def term(candidate: int, number: int) -> float:
        asked.append((candidate, number))
        return table[candidate][number]

    assert first_least(3, 3, term) == [8.0 / 3, 1.0, 4.0 / 3]
    assert sorted(asked) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


def by_the_toolchain(value: NDArray[Any], threshold: float) -> NDArray[Any]:
    """Quantise as tpu_mlir 1.7 does."""
    scale = 127 / threshold
    rounded: NDArray[Any] = np.round(value * scale)
    rounded[rounded > 127] = 127
    rounded[rounded < -128] = -128
    rounded /= scale
    return rounded


ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, -1e-42, 3e38, -3e38, 0.5, -0.5, 1.5]


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 31, 32767, 32768, 32769, 100001]),
    st.sampled_from([1e-5, 0.3, 1.0, 6.5, 127.0, 128.0, 1e30]) | st.floats(0.01, 9.0),
    st.booleans(),
)
def test_quantising_gives_the_toolchains_values(seed: int, size: int, threshold: float, odd: bool) -> None:  # noqa: FBT001 - hypothesis gives it by its place
    random = np.random.default_rng(seed)
    values = (random.standard_normal(size) * 3).astype(np.float32).reshape(1, size)
    if odd:
        values = np.where(random.random((1, size)) < 0.2, random.choice(ODD, (1, size)), values)
        values = values.astype(np.float32)
    assert is_covered(values, threshold)
    before = values.tobytes()
    with np.errstate(all="ignore"):
        found = quantised(values, threshold, np.empty_like(values))
        expected = by_the_toolchain(values, threshold)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()
    assert values.tobytes() == before


@pytest.mark.parametrize(
    ("values", "threshold"),
    [
        pytest.param(np.ones(3, np.float64), 1.0, id="float64"),
        pytest.param(np.ones(3, np.int32), 1.0, id="whole numbers"),
        pytest.param(np.ones((3, 2), np.float32).T, 1.0, id="not in their order"),
        pytest.param(np.array(1, np.float32), 1.0, id="one number"),
    ],
)
def test_other_values_are_left_to_the_toolchain(values: NDArray[Any], threshold: float) -> None:
    assert not is_covered(values, threshold)
