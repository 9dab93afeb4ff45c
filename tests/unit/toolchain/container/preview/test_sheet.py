from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cvimake.toolchain.container.preview.objects import Mark, Marked, Seen
from cvimake.toolchain.container.preview.sheet import GAP, MARGIN, Heading, Row, found, sheet

BLACK = (0, 0, 0)


def row(columns: int, size: tuple[int, int] = (320, 200), name: str = "a.jpg") -> Row:
    captions = tuple((f"v{number}", "3 found") for number in range(columns))
    return Row(name, "640 x 400", captions, tuple(Image.new("RGB", size, BLACK) for _ in range(columns)))


def marked(*marks: Mark) -> list[Marked]:
    return [Marked(Seen(0, 0.9), mark) for mark in marks]


def test_a_row_for_each_image_and_a_column_for_each_network() -> None:
    heading = Heading("net", ("12 images",))
    one, two = (sheet(heading, [row(3)] * count, 320) for count in (1, 2))
    assert one.width == two.width == 2 * MARGIN + 3 * 320 + 2 * GAP
    assert two.height > one.height + 200
    assert (np.asarray(two) == BLACK).all(2).sum() == 2 * 3 * 320 * 200


def test_one_narrow_column_leaves_room_for_the_legend() -> None:
    assert sheet(Heading("net", ()), [row(1, (3, 400))], 320).width >= 600


@pytest.mark.parametrize("name", ["\u202e\x1b]0;x\x07", "人" * 500, "<img src=x onerror=alert(1)>" * 20])
def test_a_hostile_name_changes_no_size(name: str) -> None:
    usual = sheet(Heading("net", ("x",)), [row(2)], 320)
    assert sheet(Heading(name, (name,)), [row(2, name=name)], 320).size == usual.size


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ((), "0 found"),
        (("none", "none"), "2 found"),
        (("none", "missed", "extra", "moved"), "3 found, 1 missed, 1 extra, 1 moved"),
    ],
)
def test_the_objects_are_counted_in_words(marks: tuple[Mark, ...], words: str) -> None:
    assert found(marked(*marks)) == words


def test_labels_are_counted_too() -> None:
    assert found(marked("none"), is_labels=True) == "1 labelled"
