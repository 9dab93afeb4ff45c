from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from labelled import IMAGE
from pycocotools import mask

from cvimake.project.labels import LabelledImage, Runs, geometry


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "true", "null", '"1"', "[]", "9" * 4000]
)
def test_only_a_number_between_the_bounds_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a number|between)"):
        geometry.number(json.loads(text), -1e308, 1e308)


def test_a_box_may_lie_outside_by_what_rounding_makes() -> None:
    assert geometry.box([-1.5, 0, 103, 50], IMAGE) == (-1.5, 0, 103, 50)
    with pytest.raises(ValueError, match="lies outside of"):
        geometry.box([-2.5, 0, 50, 50], IMAGE)


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], ["a"] * 6, [1, 2, 3, 4, 5, 60], [1.0] * 200_002]
)
def test_a_polygon_is_three_corners_in_the_image(values: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"is not|polygon"):
        geometry.outline([values], IMAGE)


# numpy 2 warns about pycocotools.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)))
def test_both_forms_of_an_rle_are_read_as_pycocotools_reads_them(pixels: np.ndarray[Any, Any]) -> None:
    height, width = pixels.shape
    image = LabelledImage("a.png", width, height)
    compressed = mask.encode(np.asfortranarray(pixels))
    read = geometry.outline({"size": [height, width], "counts": compressed["counts"].decode()}, image)
    assert isinstance(read, Runs)
    plain = {"size": [height, width], "counts": list(read.counts)}
    assert geometry.outline(plain, image) == read
    assert (mask.decode(mask.frPyObjects(plain, height, width)) == pixels).all()


@pytest.mark.parametrize(
    "counts",
    [
        [], [4999], [5001], [-1, 5001], [2500.5, 2499.5], [True] * 5000, ["5000"], None, 5000, {}, [[5000]],
        [0] * 6000, [10**400], "", "0", "o", "oooooooo0", "\x00", "\N{SNOWMAN}", "P" * 9,
    ],
)  # fmt: skip
def test_an_rle_that_does_not_fill_its_size_is_refused(counts: object) -> None:
    with pytest.raises(ValueError, match=r"counts|is not"):
        geometry.outline({"size": [50, 100], "counts": counts}, IMAGE)


@pytest.mark.parametrize("size", [[100, 50], [10**9, 10**9], "50", None, [50]])
def test_an_rle_of_another_size_is_refused(size: object) -> None:
    with pytest.raises(ValueError, match="size is not that of"):
        geometry.outline({"size": size, "counts": [5000]}, IMAGE)


@given(st.text(max_size=30))
def test_no_compressed_text_does_more_than_be_refused(text: str) -> None:
    try:
        read = geometry.outline({"size": [50, 100], "counts": text}, IMAGE)
    except ValueError:
        return
    assert isinstance(read, Runs)
    assert sum(read.counts) == 5000
