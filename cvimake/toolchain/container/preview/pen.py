"""Colours, letters and lines of the pictures: light paper, and each difference with a line of its own."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from . import written
from .objects import Mark

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAPER, INK, PALE, RULE = (255, 255, 255), (24, 28, 33), (84, 92, 102), (208, 213, 219)
# Colours that people with any kind of colour vision can tell apart (Okabe and Ito, darker where letters are).
LABELLED: Colour = (0, 128, 96)
OF_MARK: dict[Mark, Colour] = {
    "none": (0, 104, 168),
    "missed": (198, 60, 0),
    "extra": (150, 40, 130),
    "moved": (166, 108, 0),
}
_HALO = (255, 255, 255)
_DASH, _DOT = (7.0, 5.0), (2.0, 4.0)


@functools.cache
def _font_file(name: str) -> Path:
    """Return the file of a font that comes with matplotlib: it is the same wherever the toolchain is."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the font of the pictures is missing: it comes with matplotlib")
    return Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"


@functools.cache
def _font(size: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold" if bold else "DejaVuSans"
    # Its own layout, because the other one is not everywhere.
    return ImageFont.truetype(str(_font_file(name)), size, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _glyphs() -> frozenset[int]:
    with TTFont(str(_font_file("DejaVuSans")), lazy=True) as font:
        return frozenset(font.getBestCmap())


def shown(text: str) -> str:
    """Return any text in letters that can be drawn."""
    return written.shown(text, _glyphs())


class Pen:
    """Draws on one picture.

    Args:
        picture: it is drawn on.
        size: of the letters, in pixels.
    """

    def __init__(self, picture: Image.Image, size: int) -> None:
        self._draw, self._size = ImageDraw.Draw(picture), size

    @property
    def line(self) -> int:
        """The height of a line of text, in pixels."""
        return math.ceil(self._size * 1.4)

    def width(self, text: str, *, bold: bool = False) -> float:
        """Return the width of a text that can be drawn, in pixels."""
        return float(_font(self._size, bold=bold).getlength(text))

    def fitting(self, text: str, width: float, *, bold: bool = False) -> str:
        """Return any text in letters that can be drawn, shortened to a width."""
        return written.shortened(shown(text), width, functools.partial(self.width, bold=bold))

    def write(self, place: Point, text: str, colour: Colour = INK, *, bold: bool = False) -> None:
        """Write a text that can be drawn; the place is the upper left corner of its line."""
        middle = place[1] + self.line / 2
        self._draw.text((place[0], middle), text, colour, _font(self._size, bold=bold), anchor="lm")

    def fill(self, corner: Point, opposite: Point, colour: Colour) -> None:
        """Fill a rectangle."""
        self._draw.rectangle((*corner, *opposite), fill=colour)

    def outline(
        self, corner: Point, opposite: Point, mark: Mark, colour: Colour, *, is_before: bool = False
    ) -> None:
        """Draw a rectangle whose line says how an object differs from the float network's.

        Args:
            corner: the upper left one.
            opposite: the other one.
            mark: of the object.
            colour: of the line.
            is_before: it is the place where the float network has the object.
        """
        if corner[0] > opposite[0] or corner[1] > opposite[1]:
            return
        if is_before or mark == "missed":
            for start, end in _dashes(corner, opposite, *(_DOT if is_before else _DASH)):
                self._stroke(start, end, colour)
            return
        self._frame(corner, opposite, colour)
        if mark == "extra":
            gap = 5
            inner = (corner[0] + gap, corner[1] + gap), (opposite[0] - gap, opposite[1] - gap)
            if inner[0][0] < inner[1][0] and inner[0][1] < inner[1][1]:
                self._frame(*inner, colour)

    def bone(self, start: Point, end: Point, colour: Colour) -> None:
        """Draw a line between two keypoints."""
        self._stroke(start, end, colour)

    def dot(self, place: Point, colour: Colour, *, is_missed: bool) -> None:
        """Draw a keypoint; one that was missed is a ring."""
        x, y = place
        self._draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_HALO)
        fill = None if is_missed else colour
        self._draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=fill, outline=colour, width=1)

    def chip(self, place: Point, text: str, colour: Colour) -> None:
        """Write a name on a ground of its colour."""
        width, height = self.chip_size(text)
        self.fill(place, (place[0] + width - 1, place[1] + height - 1), colour)
        self._draw.text((place[0] + 3, place[1] + height / 2), text, PAPER, self._chip_font, anchor="lm")

    def chip_size(self, text: str) -> tuple[int, int]:
        """Return the width and height of such a name."""
        return math.ceil(self._chip_font.getlength(text)) + 6, self._size + 4

    @property
    def _chip_font(self) -> ImageFont.FreeTypeFont:
        return _font(self._size, bold=True)

    def _frame(self, corner: Point, opposite: Point, colour: Colour) -> None:
        box = (*corner, *opposite)
        grown = (corner[0] - 1, corner[1] - 1, opposite[0] + 1, opposite[1] + 1)
        self._draw.rectangle(grown, outline=_HALO, width=4)
        self._draw.rectangle(box, outline=colour, width=2)

    def _stroke(self, start: Point, end: Point, colour: Colour) -> None:
        self._draw.line((*start, *end), fill=_HALO, width=4)
        self._draw.line((*start, *end), fill=colour, width=2)


def _dashes(corner: Point, opposite: Point, dash: float, gap: float) -> Iterator[Sequence[Point]]:
    """Yield the dashes of a rectangle, each as its start and its end."""
    (left, top), (right, bottom) = corner, opposite
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    for (x, y), (to_x, to_y) in itertools.pairwise(corners):
        length = abs(to_x - x) + abs(to_y - y)
        if not length:
            continue
        across, down = (to_x - x) / length, (to_y - y) / length
        at = 0.0
        while at < length:
            to = min(at + dash, length)
            yield (x + across * at, y + down * at), (x + across * to, y + down * to)
            at += dash + gap
