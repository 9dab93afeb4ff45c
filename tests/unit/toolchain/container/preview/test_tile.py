from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from cvimake.toolchain.container.preview.objects import Box, Mark, Marked, Seen
from cvimake.toolchain.container.preview.pen import LABELLED, OF_MARK, PAPER
from cvimake.toolchain.container.preview.tile import Form, text_of, tile

GRAY = (120, 120, 120)
FORM = Form(200, 200, 0, 12)


def drawn(*objects: Marked, name: str = "cat", form: Form = FORM) -> Image.Image:
    return tile(Image.new("RGB", (100, 100), GRAY), objects, lambda _: name, form)


def count(picture: Image.Image, colour: tuple[int, ...]) -> int:
    return int((np.asarray(picture) == colour).all(2).sum())


def one(mark: Mark = "none", box: Box = (20, 30, 50, 50), score: float | None = 0.9) -> Marked:
    seen = Seen(0, score, box)
    return Marked(seen, mark, Seen(0, 0.9, (10, 20, 50, 50)) if mark == "moved" else None)


@pytest.mark.parametrize("mark", OF_MARK)
def test_each_mark_has_its_own_colour(mark: Mark) -> None:
    assert [other for other in OF_MARK if count(drawn(one(mark)), OF_MARK[other])] == [mark]


def test_marks_differ_by_their_lines_too() -> None:
    # Below the names, which stand above the boxes.
    lines = {mark: count(drawn(one(mark)).crop((0, 65, 200, 200)), OF_MARK[mark]) for mark in OF_MARK}
    assert lines["missed"] < lines["none"] < lines["moved"] < lines["extra"]


def test_labels_have_a_colour_of_their_own() -> None:
    assert count(drawn(one(score=None)), LABELLED)


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        (one(), "cat 0.90"),
        (one("missed"), "missed: cat 0.90"),
        (one(score=None), "cat"),
    ],
)
def test_the_name_has_mark_and_score(marked: Marked, text: str) -> None:
    assert text_of(marked, "cat") == text


@pytest.mark.parametrize(
    "box",
    [(-500, -500, 2000, 2000), (99, 99, 0, 0), (-1e6, 5, 1e7, 2), (500, 500, 9, 9), (0, 0, 1e308, 1e308)],
)
@pytest.mark.parametrize("mark", OF_MARK)
def test_a_box_may_reach_out_of_the_image_or_be_empty(mark: Mark, box: Box) -> None:
    assert drawn(one(mark, box)).size == (200, 200)


def test_names_that_have_no_room_are_counted() -> None:
    crowd = [one(box=(40 + number / 10, 40, 20, 20)) for number in range(60)]
    assert drawn(*crowd).tobytes() != drawn(*crowd[:40]).tobytes()


# pycocotools does not know the numpy of the tests yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_mask_is_seen_through_and_a_missed_one_is_striped() -> None:
    packed = coco_mask.frPyObjects({"size": [100, 100], "counts": [0, 10_000]}, 100, 100)
    mask = {"size": [100, 100], "counts": packed["counts"].decode()}

    def masked(mark: Mark) -> Image.Image:
        return drawn(Marked(Seen(0, 0.9, (0, 0, 100, 100), mask=mask), mark), name="")

    plain = count(masked("none"), GRAY)
    assert plain == 0
    assert count(masked("missed"), GRAY) > 10_000


def test_keypoints_that_are_not_visible_are_not_drawn() -> None:
    def pose(sure: float) -> Image.Image:
        return drawn(Marked(Seen(0, 0.9, (0, 0, 100, 100), (50, 50, sure))), name="")

    assert count(pose(0.9), OF_MARK["none"]) > count(pose(0.2), OF_MARK["none"])


def test_classes_of_the_whole_image_stand_below_it() -> None:
    form = Form(200, 200, 2, 12)
    picture = drawn(Marked(Seen(0, 0.9)), Marked(Seen(1, 0.5), "missed"), form=form)
    assert picture.size == (200, 240)
    assert count(picture.crop((0, 0, 200, 200)), GRAY) == 200 * 200
    assert count(picture, OF_MARK["none"])
    assert count(picture, OF_MARK["missed"])
    assert count(drawn(form=form).crop((0, 200, 200, 240)), PAPER) < 200 * 40


@pytest.mark.parametrize("name", ["a\x1b[31m\n", "\u202e\u05d0", "人" * 300, "", "<b>" * 99])
def test_a_hostile_name_breaks_no_tile(name: str) -> None:
    assert drawn(one(), name=name).size == (200, 200)
    assert drawn(Marked(Seen(0, 0.9)), name=name, form=Form(200, 200, 1, 12)).size == (200, 220)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((256, 256), (320, 320)), ((4000, 3000), (320, 240)), ((100, 1000), (40, 400)), ((10_000, 1), (320, 1))],
)
def test_a_tile_is_as_wide_as_is_allowed_and_not_much_higher(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    form = Form.of(size, 320, 0, 12)
    assert (form.width, form.height) == expected
