"""Draws one image with the objects of one column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from .objects import Box, Marked, Seen
from .pen import LABELLED, OF_MARK, PALE, PAPER, Colour, Pen, Point
from .placing import Rectangle, place

# Lines between the keypoints of a person, by COCO.
_PERSON, _BONES = 17, (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9),
    (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
_VISIBLE = 0.5
_OPACITY = 0.45
# The dash pattern of a mask that was missed, in pixels.
_STRIPE = 6
_LONGEST_NAME = 0.75


@dataclass(frozen=True)
class Form:
    """The size of a tile, in pixels.

    Attributes:
        width, height: of the image in it.
        lines: of classes of the whole image, below it.
        letters: the size of letters.
    """

    width: int
    height: int
    lines: int
    letters: int

    @classmethod
    def of(cls, image: Sequence[int], width: int, lines: int, letters: int) -> Form:
        """Return the form for an image of a width and a height: of a greatest width, and not much higher."""
        factor = min(width / image[0], 1.25 * width / image[1])
        return cls(max(1, round(image[0] * factor)), max(1, round(image[1] * factor)), lines, letters)


def tile(
    picture: Image.Image, objects: Sequence[Marked], name: Callable[[int], str], form: Form
) -> Image.Image:
    """Return an image with objects, their names and scores.

    Args:
        picture: the image.
        objects: of one column.
        name: gives the name of a class.
        form: the size.
    """
    small = picture.resize((form.width, form.height), Image.Resampling.LANCZOS)
    small = _with_masks(small, objects)
    scale = form.width / picture.width, form.height / picture.height
    boxed = sorted((one for one in objects if one.seen.box), key=lambda one: one.mark != "none")
    pen = Pen(small, form.letters)
    area = form.width, form.height
    for one in boxed:
        _shape(pen, one, scale, area)
    # The names of differences are the most important ones.
    _names(pen, boxed[::-1], name, scale, area)
    whole = Image.new("RGB", (form.width, form.height + form.lines * (form.letters + 8)), PAPER)
    whole.paste(small)
    if form.lines:
        _classes(Pen(whole, form.letters), [one for one in objects if not one.seen.box], name, form)
    return whole


def text_of(one: Marked, name: str) -> str:
    """Return the name of an object with its mark and its score."""
    mark = "" if one.mark == "none" else f"{one.mark}: "
    return f"{mark}{name}" if one.seen.score is None else f"{mark}{name} {one.seen.score:.2f}"


def _colour(one: Marked) -> Colour:
    return LABELLED if one.seen.score is None else OF_MARK[one.mark]


def _corners(box: Box, scale: Point, area: tuple[int, int]) -> Rectangle:
    """Return the corners of a box in the picture, moved to near the picture if they are far away.

    A network may find a box of any size, and a line takes as long as it is.
    """
    left, top, width, height = box
    across = [_near(value * scale[0], area[0]) for value in (left, left + width)]
    down = [_near(value * scale[1], area[1]) for value in (top, top + height)]
    return across[0], down[0], across[1] - 1, down[1] - 1


def _near(place: float, length: int) -> float:
    return min(max(place, -length), 2 * length)


def _shape(pen: Pen, one: Marked, scale: Point, area: tuple[int, int]) -> None:
    colour = _colour(one)
    if one.before and one.before.box:
        left, top, right, bottom = _corners(one.before.box, scale, area)
        pen.outline((left, top), (right, bottom), one.mark, colour, is_before=True)
    if one.seen.box:
        left, top, right, bottom = _corners(one.seen.box, scale, area)
        pen.outline((left, top), (right, bottom), one.mark, colour)
    points = _points(one.seen, scale)
    if len(points) == _PERSON:
        for start, end in _BONES:
            if (first := points[start]) and (last := points[end]):
                pen.bone(first, last, colour)
    for point in filter(None, points):
        pen.dot(point, colour, is_missed=one.mark == "missed")


def _points(seen: Seen, scale: Point) -> list[Point | None]:
    """Return the visible keypoints of an object; None for each of the others."""
    values = seen.keypoints
    return [
        (values[at] * scale[0], values[at + 1] * scale[1]) if values[at + 2] > _VISIBLE else None
        for at in range(0, len(values) - 2, 3)
    ]


def _names(
    pen: Pen, objects: Sequence[Marked], name: Callable[[int], str], scale: Point, area: tuple[int, int]
) -> None:
    texts = [pen.fitting(name(one.seen.number), area[0] * _LONGEST_NAME / 2) for one in objects]
    texts = [text_of(one, text) for one, text in zip(objects, texts, strict=True)]
    boxes = [_corners(one.seen.box, scale, area) for one in objects if one.seen.box]
    sizes = [pen.chip_size(text) for text in texts]
    places = place(boxes, sizes, area)
    if None in places:
        width, height = pen.chip_size(_left_out(len(places)))
        places = place(boxes, sizes, area, (area[0] - width, area[1] - height, *area))
        text = _left_out(places.count(None))
        width, height = pen.chip_size(text)
        pen.chip((area[0] - width, area[1] - height), text, PALE)
    for one, text, where in zip(objects, texts, places, strict=True):
        if where:
            pen.chip(where, text, _colour(one))


def _left_out(count: int) -> str:
    return f"{count} without a name"


def _classes(pen: Pen, objects: Sequence[Marked], name: Callable[[int], str], form: Form) -> None:
    """Write the classes of the whole image below it."""
    room = form.width - 110
    for line, one in enumerate(objects[: form.lines]):
        text = text_of(one, pen.fitting(name(one.seen.number), room))
        pen.chip((0, form.height + 4 + line * (form.letters + 8)), text, _colour(one))
    if not objects:
        pen.write((0, form.height + 4), "no class", PALE)


def _with_masks(picture: Image.Image, objects: Sequence[Marked]) -> Image.Image:
    """Return a picture with the masks of objects over it; a missed one is striped."""
    masked = [one for one in objects if one.seen.mask]
    if not masked:
        return picture
    pixels = np.asarray(picture, np.float32).copy()
    rows, columns = np.indices(pixels.shape[:2])
    stripes = (rows + columns) // _STRIPE % 2 == 0
    for one in masked:
        mask = _mask(one.seen.mask, picture.size)
        if one.mark == "missed":
            mask &= stripes
        pixels[mask] = pixels[mask] * (1 - _OPACITY) + np.array(_colour(one), np.float32) * _OPACITY
    return Image.fromarray(pixels.astype(np.uint8))


def _mask(packed: Any, size: tuple[int, int]) -> Any:  # noqa: ANN401 - COCO's run lengths, an array of truth
    whole = Image.fromarray(coco_mask.decode(dict(packed)) * np.uint8(255))
    return np.asarray(whole.resize(size, Image.Resampling.NEAREST)) > 0
