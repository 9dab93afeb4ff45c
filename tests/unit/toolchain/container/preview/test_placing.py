from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.preview.placing import Rectangle, place, shared

AREA = (320, 240)
places = st.integers(-40, 340)
lengths = st.integers(1, 200)
boxes = st.builds(
    lambda left, top, width, height: (left, top, left + width, top + height), places, places, lengths, lengths
)
names = st.tuples(st.integers(10, 120), st.just(16))


@given(st.lists(st.tuples(boxes, names), max_size=30))
def test_names_never_overlap_and_never_leave_the_picture(
    objects: list[tuple[Rectangle, tuple[int, int]]],
) -> None:
    sizes = [size for _, size in objects]
    found = place([box for box, _ in objects], sizes, AREA)
    assert len(found) == len(objects)
    rectangles = [
        (x, y, x + width, y + height)
        for (x, y), (width, height) in ((at, size) for at, size in zip(found, sizes, strict=True) if at)
    ]
    for one, other in itertools.combinations(rectangles, 2):
        assert shared(one, other) == 0
    for left, top, right, bottom in rectangles:
        assert left >= 0
        assert top >= 0
        assert right <= AREA[0]
        assert bottom <= AREA[1]


@given(boxes, names)
def test_a_single_name_always_has_a_place(box: Rectangle, size: tuple[int, int]) -> None:
    assert place([box], [size], AREA) != [None]


def test_a_name_stands_above_its_object_if_there_is_room() -> None:
    assert place([(50, 60, 90, 100)], [(40, 16)], AREA) == [(50, 44)]


def test_a_name_does_not_hide_another_object_if_it_can_stand_elsewhere() -> None:
    (first, _) = place([(50, 60, 90, 100), (40, 40, 100, 60)], [(40, 16), (40, 16)], AREA)
    assert first == (50, 100)


@given(st.lists(st.tuples(boxes, names), max_size=12))
def test_no_name_stands_where_it_is_kept_free(objects: list[tuple[Rectangle, tuple[int, int]]]) -> None:
    kept = (200, 220, 320, 240)
    sizes = [size for _, size in objects]
    for at, (width, height) in zip(place([box for box, _ in objects], sizes, AREA, kept), sizes, strict=True):
        assert at is None or shared((*at, at[0] + width, at[1] + height), kept) == 0


def test_a_name_that_is_wider_than_the_picture_has_no_place() -> None:
    assert place([(50, 60, 90, 100)], [(400, 16)], AREA) == [None]
