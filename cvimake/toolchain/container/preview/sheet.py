"""Draws the whole picture: a row for each image, a column for the labels and for each network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .objects import Mark, Marked
from .pen import INK, LABELLED, OF_MARK, PALE, PAPER, RULE, Pen

MARGIN, GAP = 28, 14
_TITLE, _TEXT, _SMALL = 28, 18, 15
_LEGEND: tuple[tuple[Mark, str], ...] = (
    ("none", "as in float"),
    ("missed", "missed: only float finds it"),
    ("extra", "extra: float does not find it"),
    ("moved", "moved: dotted where float has it"),
)
_OF_CLASSES: tuple[tuple[Mark, str], ...] = (*_LEGEND[:3], ("moved", "moved: float has another order"))


@dataclass(frozen=True)
class Heading:
    """The words above the picture.

    Attributes:
        title: the first line.
        lines: the other lines.
        is_classes: classes of whole images are shown, which have no place.
    """

    title: str
    lines: tuple[str, ...]
    is_classes: bool = False


@dataclass(frozen=True)
class Row:
    """An image, drawn for each column.

    Attributes:
        title: the image's name.
        about: further words about it.
        captions: the words above each tile, in two lines: the column's name, and what is found.
        tiles: one for each column, of one size.
    """

    title: str
    about: str
    captions: tuple[tuple[str, str], ...]
    tiles: tuple[Image.Image, ...]


def found(objects: Sequence[Marked], *, is_labels: bool = False) -> str:
    """Return how many objects there are, in words."""
    counts = Counter(one.mark for one in objects)
    own = len(objects) - counts["missed"]
    parts = [f"{own} {'labelled' if is_labels else 'found'}"]
    parts += [f"{counts[mark]} {mark}" for mark in ("missed", "extra", "moved") if counts[mark]]
    return ", ".join(parts)


def sheet(heading: Heading, rows: Sequence[Row], width: int) -> Image.Image:
    """Return the whole picture.

    Args:
        heading: the words above it.
        rows: the images.
        width: of a tile.
    """
    columns = max(len(row.tiles) for row in rows)
    inner = columns * width + (columns - 1) * GAP
    # Room for the heading and the legend, even with a single column.
    inner = max(inner, 560)
    blank = Image.new("RGB", (1, 1))
    title, text, small = (Pen(blank, size) for size in (_TITLE, _TEXT, _SMALL))
    legend = _legend_lines(small, inner, _OF_CLASSES if heading.is_classes else _LEGEND)
    top = MARGIN + title.line + len(heading.lines) * text.line + GAP + len(legend) * (small.line + 6) + GAP
    heights = [_height(row, text, small) for row in rows]
    picture = Image.new("RGB", (inner + 2 * MARGIN, top + sum(heights) + MARGIN), PAPER)
    _draw_heading(picture, heading, legend, inner)
    for row, height in zip(rows, heights, strict=True):
        _draw_row(picture, row, top, (inner, width))
        top += height
    return picture


def _height(row: Row, text: Pen, small: Pen) -> int:
    return GAP + 2 * text.line + small.line + 10 + row.tiles[0].height + GAP


def _legend_lines(small: Pen, inner: int, legend: Sequence[tuple[Mark, str]]) -> list[list[tuple[Mark, str]]]:
    """Return a legend in lines that are not wider than the picture."""
    lines: list[list[tuple[Mark, str]]] = [[]]
    used = 0.0
    for entry in legend:
        width = 34 + small.width(entry[1]) + 28
        if lines[-1] and used + width > inner:
            lines.append([])
            used = 0.0
        lines[-1].append(entry)
        used += width
    return lines


def _draw_heading(
    picture: Image.Image, heading: Heading, legend: Sequence[Sequence[tuple[Mark, str]]], inner: int
) -> None:
    title, text, small = (Pen(picture, size) for size in (_TITLE, _TEXT, _SMALL))
    top = MARGIN
    title.write((MARGIN, top), title.fitting(heading.title, inner, bold=True), bold=True)
    top += title.line
    for line in heading.lines:
        text.write((MARGIN, top), text.fitting(line, inner), PALE)
        top += text.line
    top += GAP
    for entries in legend:
        left = float(MARGIN)
        for mark, words in entries:
            corner, opposite = (left, top + 2), (left + 24, top + small.line - 1)
            if heading.is_classes:
                small.fill(corner, opposite, OF_MARK[mark])
            else:
                small.outline(corner, opposite, mark, OF_MARK[mark])
            if mark == "moved" and not heading.is_classes:
                shifted = (corner[0] + 5, corner[1] + 4), (opposite[0] + 5, opposite[1] + 4)
                small.outline(*shifted, mark, OF_MARK[mark], is_before=True)
            small.write((left + 34, top), words)
            left += 34 + small.width(words) + 28
        top += small.line + 6


def _draw_row(picture: Image.Image, row: Row, top: int, widths: tuple[int, int]) -> None:
    inner, width = widths
    text, small = Pen(picture, _TEXT), Pen(picture, _SMALL)
    text.fill((MARGIN, top), (MARGIN + inner, top), RULE)
    top += GAP
    about = small.fitting(row.about, inner / 2)
    name = text.fitting(row.title, inner - small.width(about) - GAP, bold=True)
    text.write((MARGIN, top), name, bold=True)
    small.write((MARGIN + text.width(name, bold=True) + GAP, top + 1), about, PALE)
    top += text.line + 6
    for place, ((column, words), tile) in enumerate(zip(row.captions, row.tiles, strict=True)):
        left = MARGIN + place * (width + GAP)
        colour = LABELLED if column == "labels" and place == 0 else INK
        text.write((left, top), text.fitting(column, width, bold=True), colour, bold=True)
        small.write((left, top + text.line), small.fitting(words, width), PALE)
        picture.paste(tile, (left, top + text.line + small.line + 4))
