from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.preview.marks import compare, overlap
from cvimake.toolchain.container.preview.objects import Box, Marked, Seen

places = st.floats(-50, 500, width=32)
lengths = st.floats(1, 300, width=32)
boxes = st.tuples(places, places, lengths, lengths)
seen = st.builds(Seen, st.integers(0, 2), st.floats(0.1, 1), boxes)
several = st.lists(seen, max_size=8)


def cat(box: Box = (10, 10, 40, 40), score: float = 0.9, number: int = 0) -> Seen:
    return Seen(number, score, box)


def marks(of_float: list[Seen], own: list[Seen]) -> list[str]:
    return [one.mark for one in compare(of_float, own).objects]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([cat()], ["none"]),
        ([cat(score=0.3)], ["none"]),
        # An overlap of 0.81, of 0.78, of 0.49.
        ([cat((12, 12, 38, 38))], ["none"]),
        ([cat((15, 10, 40, 40))], ["moved"]),
        ([cat((20, 18, 40, 40))], ["extra", "missed"]),
        ([cat(number=1)], ["extra", "missed"]),
        ([cat(), cat((300, 10, 40, 40))], ["none", "extra"]),
        # Each object stands for one of the other network.
        ([cat(), cat((11, 10, 40, 40))], ["none", "extra"]),
        ([], ["missed"]),
    ],
)
def test_an_object_is_marked_by_its_difference_to_float(own: list[Seen], expected: list[str]) -> None:
    assert marks([cat()], own) == expected


def test_of_two_candidates_the_one_that_overlaps_more_is_the_same_object() -> None:
    near, nearer = cat((14, 10, 40, 40), 0.99), cat((11, 10, 40, 40), 0.5)
    compared = compare([cat()], [near, nearer])
    assert [one.mark for one in compared.objects] == ["extra", "none"]


def test_a_missed_object_is_the_float_networks_own_and_a_moved_one_knows_where_it_was() -> None:
    missed, before, after = cat((200, 10, 40, 40)), cat(), cat((15, 10, 40, 40))
    assert compare([before, missed], [after]).objects == (
        Marked(after, "moved", before),
        Marked(missed, "missed"),
    )


def test_a_keypoint_that_is_far_away_marks_a_pose_as_moved() -> None:
    def pose(x: float, sure: float = 0.9) -> Seen:
        return Seen(0, 0.9, (0, 0, 30, 40), (10, 10, 0.9, x, 20, sure))

    assert marks([pose(10)], [pose(14)]) == ["none"]
    assert marks([pose(10)], [pose(16)]) == ["moved"]
    # Where the float network does not see it, it is not looked for.
    assert marks([pose(10, 0.1)], [pose(30)]) == ["none"]


def test_a_mask_that_overlaps_too_little_marks_an_object_as_moved() -> None:
    def masked(counts: list[int]) -> Seen:
        from pycocotools import mask as coco_mask  # noqa: PLC0415 - slow to import

        packed = coco_mask.frPyObjects({"size": [10, 10], "counts": counts}, 10, 10)
        packed["counts"] = packed["counts"].decode()
        return Seen(0, 0.9, (0, 0, 10, 10), mask=packed)

    assert marks([masked([0, 100])], [masked([0, 90, 10])]) == ["none"]
    assert marks([masked([0, 100])], [masked([0, 70, 30])]) == ["moved"]


def test_classes_of_a_whole_image_are_compared_by_their_order() -> None:
    one, other, third = Seen(0, 0.9), Seen(1, 0.6), Seen(2, 0.5)
    assert marks([one, other], [one, other]) == ["none", "none"]
    assert marks([one, other], [other, one]) == ["moved", "moved"]
    assert marks([one, other], [one, third]) == ["none", "extra", "missed"]


@given(several)
def test_equal_objects_do_not_differ(objects: list[Seen]) -> None:
    compared = compare(objects, objects)
    assert compared.difference == pytest.approx(0, abs=1e-6)
    assert {one.mark for one in compared.objects} <= {"none"}


@given(several, several)
def test_every_object_is_shown_once(of_float: list[Seen], own: list[Seen]) -> None:
    compared = compare(of_float, own)
    kept = [one for one in compared.objects if one.mark != "missed"]
    missed = [one for one in compared.objects if one.mark == "missed"]
    extra = [one for one in kept if one.mark == "extra"]
    assert [one.seen for one in kept] == own
    assert len(missed) == len(of_float) - (len(own) - len(extra))
    assert compared.difference >= 0
    assert (
        compared.difference >= sum(one.seen.weight for one in [*missed, *extra])
    ) or compared.difference == (pytest.approx(sum(one.seen.weight for one in [*missed, *extra])))


@given(several, several)
def test_the_other_way_round_extra_objects_are_missed_ones(of_float: list[Seen], own: list[Seen]) -> None:
    there, back = marks(of_float, own), marks(own, of_float)
    assert (there.count("extra"), there.count("missed")) == (back.count("missed"), back.count("extra"))


@given(boxes, boxes)
def test_an_overlap_is_a_fraction_and_the_same_both_ways(one: Box, other: Box) -> None:
    assert 0 <= overlap(one, other) <= 1 + 1e-6
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert overlap(one, one) == pytest.approx(1)


def test_boxes_without_an_area_are_the_same_only_if_they_are_equal() -> None:
    assert overlap((1, 1, 0, 0), (1, 1, 0, 0)) == 1
    assert overlap((1, 1, 0, 0), (2, 1, 0, 0)) == 0
