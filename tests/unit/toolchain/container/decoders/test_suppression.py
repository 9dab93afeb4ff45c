from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cvimake.toolchain.container.decoders.suppression import in_the_field, on_the_camera

Floats = NDArray[np.float32]
EPSILON = np.finfo(np.float32).eps
# Few values, so that scores are often equal and overlaps often exactly at the threshold.
NUMBERS = st.integers(0, 8).map(lambda number: number / 8)
BOXES = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 1)), max_size=150)


def shared(one: Floats, other: Floats) -> tuple[np.float32, np.float32]:
    """The area that boxes share, and that of their union; each is left, top, width, height."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    inner = max(right - left, np.float32(0)) * max(bottom - top, np.float32(0))
    return inner, one[2] * one[3] + other[2] * other[3] - inner


def by_loops(
    boxes: Floats, order: Sequence[int], overlap: float, classes: Sequence[int] | None, smallest: float
) -> list[int]:
    """Which boxes stay, one pair after another."""
    dropped: set[int] = set()
    for place, better in enumerate(order):
        for other in order[place + 1 :]:
            inner, union = shared(boxes[better], boxes[other])
            alike = classes is None or classes[better] == classes[other]
            if better not in dropped and alike and union > smallest and inner / union > np.float32(overlap):
                dropped.add(other)
    return [number for number in order if number not in dropped]


def drawn(
    found: list[tuple[float, float, float, float, float, int]],
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    table = np.array(found, np.float32).reshape(-1, 6)
    return table[:, :4], table[:, 4], table[:, 5].astype(np.int64)


@given(found=BOXES, overlap=st.sampled_from([0.0, 0.25, 0.45, 0.5]), per_class=st.booleans())
def test_the_cameras_suppression_is_that_of_a_plain_loop(
    found: list[tuple[float, float, float, float, float, int]], overlap: float, *, per_class: bool
) -> None:
    boxes, scores, classes = drawn(found)
    # Of equal scores the later box comes first; a score of 0 means dropped.
    order = sorted((n for n in range(len(boxes)) if scores[n]), key=lambda number: (-scores[number], -number))
    kept = on_the_camera(boxes, scores, overlap, classes if per_class else None)
    assert kept.tolist() == by_loops(boxes, order, overlap, list(classes) if per_class else None, EPSILON)


@given(
    found=BOXES,
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.7]),
    per_class=st.booleans(),
    most=st.none() | st.integers(1, 9),
)
def test_the_fields_suppression_is_that_of_a_plain_loop(
    found: list[tuple[float, float, float, float, float, int]],
    overlap: float,
    *,
    per_class: bool,
    most: int | None,
) -> None:
    boxes, scores, classes = drawn(found)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    order = sorted(range(len(boxes)), key=lambda number: (-scores[number], -number))
    kept = in_the_field(corners, scores, overlap, classes if per_class else None, most)
    assert kept.tolist() == by_loops(boxes, order, overlap, list(classes) if per_class else None, 0.0)[:most]


@pytest.mark.parametrize(
    ("middle", "on_camera", "in_field"),
    [
        # The first box is from 0.3 to 0.7. The other one, from 0.3 to 0.5, lies in it, and is a quarter of
        # it. With middles as corners, they are from 0.5 to 0.9 and from 0.4 to 0.6, and share 0.01 of 0.19.
        (0.4, [0, 1], [0]),
        # From 0.6 to 0.8 it shares 0.01 of 0.19; from 0.7 to 0.9 it lies in the first one from 0.5 to 0.9.
        (0.7, [0], [0, 1]),
    ],
)
def test_the_camera_takes_the_middle_of_a_box_for_its_corner(
    middle: float, on_camera: list[int], in_field: list[int]
) -> None:
    boxes = np.array([[0.5, 0.5, 0.4, 0.4], [middle, middle, 0.2, 0.2]], np.float32)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    scores = np.array([0.9, 0.8], np.float32)
    assert on_the_camera(boxes, scores, 0.2).tolist() == on_camera
    assert in_the_field(corners, scores, 0.2).tolist() == in_field


def test_a_box_with_the_same_middle_and_half_the_side_is_a_quarter_for_both() -> None:
    boxes = np.array([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.2, 0.2]], np.float32)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    scores = np.array([0.9, 0.8], np.float32)
    assert on_the_camera(boxes, scores, 0.24).tolist() == in_the_field(corners, scores, 0.24).tolist() == [0]
    assert (
        on_the_camera(boxes, scores, 0.26).tolist() == in_the_field(corners, scores, 0.26).tolist() == [0, 1]
    )


def test_the_camera_drops_no_box_without_an_area() -> None:
    boxes = np.array([[0.5, 0.5, 1e-4, 1e-4]] * 2, np.float32)
    assert on_the_camera(boxes, np.array([0.9, 0.8], np.float32), 0.2).tolist() == [0, 1]
