"""Checks boxes, keypoints and outlines that strangers wrote, before anything computes with them.

Each function returns the checked value, or raises a ValueError with what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cvimake.project.labels.findings import shown
from cvimake.project.labels.values import LabelledImage, Outline, Runs

Box = tuple[float, float, float, float]

# Pixels that a label may lie outside of its image, because of rounding.
TOLERANCE = 2.0
_BOX, _PER_KEYPOINT, _CORNERS = 4, 3, 3
# Numbers of one outline.
_MOST_NUMBERS = 200_000
# A compressed count has five bits in each character; more than 7 characters are no number of pixels.
_MOST_DIGITS = 7


def number(value: object, low: float, high: float) -> float:
    """Return a number between two bounds. NaN and numbers of any length are compared safely."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number")  # noqa: TRY004 - one kind of error for all
    if not low <= value <= high:
        raise ValueError(f"{shown(value)} is not between {low:g} and {high:g}")
    return float(value)


def box(values: object, image: LabelledImage) -> Box:
    """Check x, y, width and height in pixels. A box can be empty: its width or height can be 0."""
    if not isinstance(values, list | tuple) or len(values) != _BOX:
        raise ValueError("a box is [x, y, width, height]")
    most = max(image.width, image.height) + 2 * TOLERANCE
    x, y, width, height = (number(value, -most, most) for value in values)
    if width < 0 or height < 0:
        raise ValueError(f"the box has a negative size: {width:g} x {height:g}")
    outside = (
        x < -TOLERANCE
        or y < -TOLERANCE
        or x + width > image.width + TOLERANCE
        or y + height > image.height + TOLERANCE
    )
    if outside:
        raise ValueError(
            f"the box [{x:g}, {y:g}, {width:g}, {height:g}] lies outside of {image.name}, "
            f"which has {image.width} x {image.height} pixels"
        )
    return x, y, width, height


def keypoints(values: object, count: int, image: LabelledImage) -> tuple[float, ...]:
    """Check x, y and visibility of each keypoint."""
    if not isinstance(values, list | tuple) or len(values) != count * _PER_KEYPOINT:
        given = f"has {len(values)} numbers" if isinstance(values, list | tuple) else "is no list"
        raise ValueError(
            f"keypoints {given}; the model's {count} keypoints need {count * _PER_KEYPOINT}: "
            "x, y, visibility of each"
        )
    checked: list[float] = []
    for start in range(0, len(values), _PER_KEYPOINT):
        x, y, visibility = values[start : start + _PER_KEYPOINT]
        if number(visibility, 0, 2) not in {0.0, 1.0, 2.0}:
            raise ValueError(f"a keypoint's visibility is 0, 1 or 2, not {shown(visibility)}")
        # The place of a keypoint that is not labelled means nothing.
        checked += [*point(x, y, image), float(visibility)] if visibility else [0.0, 0.0, 0.0]
    return tuple(checked)


def point(x: object, y: object, image: LabelledImage) -> tuple[float, float]:
    """Check a point in pixels."""
    return (
        number(x, -TOLERANCE, image.width + TOLERANCE),
        number(y, -TOLERANCE, image.height + TOLERANCE),
    )


def polygon(values: Sequence[object], image: LabelledImage) -> tuple[float, ...]:
    """Check x, y, x, y, … of a polygon in pixels."""
    if len(values) < 2 * _CORNERS or len(values) % 2 or len(values) > _MOST_NUMBERS:
        raise ValueError(f"a polygon is x, y of three or more corners, not {len(values)} numbers")
    pairs = zip(values[::2], values[1::2], strict=True)
    return tuple(value for x, y in pairs for value in point(x, y, image))


def outline(values: object, image: LabelledImage) -> Outline:
    """Check COCO's `segmentation`: a list of polygons, or an RLE with its counts as a list or compressed."""
    if isinstance(values, dict):
        return _runs(values, image)
    if not isinstance(values, list) or not values:
        raise ValueError("has no outline (segmentation), which a model that finds masks is measured with")
    if not all(isinstance(part, list) for part in values) or sum(map(len, values)) > _MOST_NUMBERS:
        raise ValueError("segmentation is neither a list of polygons nor an RLE")
    return tuple(polygon(part, image) for part in values)


def _runs(values: dict[str, object], image: LabelledImage) -> Runs:
    if values.get("size") != [image.height, image.width]:
        raise ValueError(
            f"the mask's size is not that of {image.name}: [{image.height}, {image.width}] (height, width)"
        )
    counts, pixels = values.get("counts"), image.width * image.height
    if isinstance(counts, str):
        counts = _uncompressed(counts, pixels)
    if not isinstance(counts, list) or len(counts) > pixels + 1:
        raise ValueError("the counts of an RLE are a list, or a compressed text")
    checked = tuple(int(number(count, 0, pixels)) for count in counts)
    if sum(checked) != pixels or checked != tuple(counts):
        raise ValueError(
            f"the counts of the RLE are not whole numbers with the sum {pixels}, as its size asks"
        )
    return Runs(checked, image.width, image.height)


def _uncompressed(text: str, pixels: int) -> list[int]:
    """Return the counts in COCO's compressed form: each is the difference to the count two before it."""
    counts: list[int] = []
    value = digits = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or digits == _MOST_DIGITS or len(counts) > pixels:  # noqa: PLR2004 - six bits
            raise ValueError("the counts of the RLE are damaged")
        value |= (code & 0x1F) << (5 * digits)
        digits += 1
        if code & 0x20:
            continue
        if code & 0x10:
            value |= -1 << (5 * digits)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))  # noqa: PLR2004 - as pycocotools does
        value = digits = 0
    if digits:
        raise ValueError("the counts of the RLE are cut off")
    return counts
