from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cvimake.toolchain.container.calibration_shards import (
    Layer,
    Walk,
    arrangement,
    histogram,
    most_processes,
    samples,
    shares,
    walk,
)


def by_the_toolchain(values: NDArray[Any], largest: Any, bins: int) -> tuple[NDArray[np.int32], Any]:  # noqa: ANN401
    """What tpu_mlir 1.7 does, said again."""
    magnitudes = np.abs(values.flatten())
    magnitudes = magnitudes[magnitudes != 0]
    width = largest / (bins - 1)
    if not magnitudes.size:
        return np.zeros(bins).astype(np.int32), width
    rounded = np.floor(magnitudes / width + 0.5)
    counts, _ = np.histogram(rounded, bins=bins, range=(0, bins - 1), density=False)
    return counts.astype(np.int32), width


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 7, 65535, 65536, 65537, 200001]),
    st.sampled_from([2, 3, 128, 512, 2048]),
    st.sampled_from([1e-5, 1.0, "largest", "half", "double"]),
    st.sampled_from(["float32", "float64", "int8", "int32"]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_counting_gives_the_toolchains_histogram(  # noqa: PLR0913, PLR0917 - all that it depends on
    seed: int, size: int, bins: int, against: float | str, kind: str, zeros: float
) -> None:
    random = np.random.default_rng(seed)
    values = (random.standard_normal(size) * 40).astype(kind)
    values[random.random(size) < zeros] = 0
    largest = np.max(np.abs(values))
    factor = {"largest": 1, "half": 2, "double": 0.5}
    bound = largest / factor[against] if isinstance(against, str) else against
    if not bound > 0:
        bound = 1e-5
    counts, width = histogram(values, bound, bins)
    expected, expected_width = by_the_toolchain(values, bound, bins)
    assert np.array_equal(counts, expected)
    assert counts.dtype == np.int32
    assert width == expected_width


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_that_are_not_numbers_are_in_no_bin(odd: float) -> None:
    values = np.array([1.0, odd, 0.0, -2.0], dtype=np.float32)
    for bound in (np.float32(2.0), np.float32(odd)):
        assert np.array_equal(histogram(values, bound, 16)[0], by_the_toolchain(values, bound, 16)[0])


def layer(name: str, *operands: str) -> Layer:
    return Layer((name,), (10,), operands, operands)


def test_a_walk_keeps_the_tensors_that_are_still_needed() -> None:
    chain = [layer("x"), layer("a", "x"), layer("b", "a"), layer("c", "b")]
    assert walk(chain) == Walk(live=2 * 10 * 4, leftovers=False)
    residual = [layer("x"), layer("a", "x"), layer("b", "a"), layer("c", "b", "x")]
    assert walk(residual) == Walk(live=3 * 10 * 4, leftovers=False)


def test_a_layer_that_reads_one_tensor_twice_leaves_nothing_behind() -> None:
    assert walk([layer("x"), layer("a", "x", "x"), layer("b", "a")]).leftovers is False


def test_a_layer_with_several_outputs_computes_from_what_is_left_over() -> None:
    split = Layer(("s", "t"), (5, 5), ("x",), ())
    assert walk([layer("x"), split, layer("a", "s"), layer("b", "t")]).leftovers is True


@pytest.mark.parametrize(
    ("count", "batch", "rows", "expected"),
    [
        pytest.param(3, 1, None, [1, 1, 1], id="one by one"),
        pytest.param(6, 2, None, [2, 2, 2], id="images in batches"),
        pytest.param(7, 2, [1], [2, 2, 2], id="npz, the rest left out"),
        pytest.param(1, 2, [1], [1], id="npz, fewer than a batch"),
        pytest.param(3, 2, [2], [1, 1, 1], id="npz, whole batches"),
        pytest.param(3, 2, [2, 1], [3], id="npz, mixed"),
        pytest.param(3, 1, [1], [1, 1, 1], id="npz, one by one"),
    ],
)
def test_the_files_of_each_sample(
    count: int, batch: int, rows: list[int] | None, expected: list[int]
) -> None:
    files = [str(number) for number in range(count)]
    found = samples(files, batch, (lambda file: [rows[int(file) % len(rows)]]) if rows else None)
    assert [len(sample) for sample in found] == expected
    assert [file for sample in found for file in sample] == files[: sum(expected)]


@given(st.integers(0, 50), st.integers(1, 20))
def test_shares_are_even_and_in_order(count: int, size: int) -> None:
    found = shares(count, size)
    assert [index for share in found for index in share] == list(range(count))
    lengths = [len(share) for share in found]
    assert len(lengths) == size
    assert max(lengths) - min(lengths) <= 1


@given(
    st.integers(1, 32), st.integers(1, 200), st.integers(1, 10**4), st.integers(1, 100), st.integers(1, 100)
)
def test_an_arrangement_keeps_to_the_memory_where_it_can(
    processes: int, count: int, memory: int, process: int, sample: int
) -> None:
    size, rounds = arrangement(processes, count, memory, process, sample)
    assert 1 <= size <= min(processes, count)
    assert 1 <= rounds <= count
    if process + sample <= memory:
        at_once = max(len(part) for share in shares(count, size) for part in shares(len(share), rounds))
        assert size * (process + at_once * sample) <= memory


@pytest.mark.parametrize(
    ("processes", "memory", "expected"),
    [
        pytest.param(4, None, (4, 1), id="no limit"),
        pytest.param(4, 4 * 10 + 100, (4, 1), id="all fit"),
        pytest.param(4, 4 * 10 + 60, (4, 2), id="all processes, in rounds"),
        pytest.param(3, 125, (2, 1), id="two processes instead of three and rounds"),
        pytest.param(4, 11, (1, 100), id="one by one"),
        pytest.param(4, 1, (1, 100), id="not even one"),
    ],
)
def test_an_arrangement_takes_the_least_time(
    processes: int, memory: int | None, expected: tuple[int, int]
) -> None:
    assert arrangement(processes, 100, memory, process=10, sample=1) == expected


def test_an_arrangement_leaves_place_for_what_every_process_holds() -> None:
    assert arrangement(4, 100, 44, process=10, sample=1) == (4, 25)
    assert arrangement(4, 100, 44, process=10, sample=1, least=3) == (3, 9)


@pytest.mark.parametrize(
    ("processes", "memory", "expected"),
    [
        (0, None, 1),
        (3, None, 3),
        (3, 3 * (10 + 4 * 5), 3),
        (3, 3 * (10 + 4 * 5) - 1, 2),
        (3, 1, 1),
    ],
)
def test_no_more_processes_go_on_than_have_memory(processes: int, memory: int | None, expected: int) -> None:
    assert most_processes(processes, 10, memory, process=10, sample=5) == expected


def test_each_process_holds_all_samples_that_are_tuned_with() -> None:
    assert most_processes(4, 0, 3 * (10 + 6 * 5), process=10, sample=5, least=6) == 3
