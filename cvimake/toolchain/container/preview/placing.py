"""Finds places for names: beside their objects, and never one above another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Left, top, right, bottom in pixels of the picture.
Rectangle = tuple[float, float, float, float]
Place = tuple[int, int]


def place(
    boxes: Sequence[Rectangle],
    sizes: Sequence[tuple[int, int]],
    area: tuple[int, int],
    kept_free: Rectangle | None = None,
) -> list[Place | None]:
    """Return where the name of each object stands: its upper left corner, or None if there is no room.

    Of all free places at an object, a name gets the one that hides least of the other objects.

    Args:
        boxes: the objects, the most important first.
        sizes: the width and height of each name.
        area: the width and height of the picture.
        kept_free: a part of the picture where no name stands.
    """
    taken: list[Rectangle] = [kept_free] if kept_free else []
    places: list[Place | None] = []
    for number, (box, size) in enumerate(zip(boxes, sizes, strict=True)):
        others = [*boxes[:number], *boxes[number + 1 :]]
        best: tuple[float, Rectangle] | None = None
        for candidate in _candidates(box, size, area):
            if any(shared(candidate, one) for one in taken):
                continue
            hidden = sum(shared(candidate, other) for other in others)
            if best is None or hidden < best[0]:
                best = hidden, candidate
            if not hidden:
                break
        if best is None:
            places.append(None)
        else:
            taken.append(best[1])
            places.append((int(best[1][0]), int(best[1][1])))
    return places


def shared(one: Rectangle, other: Rectangle) -> float:
    """Return the area that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _candidates(box: Rectangle, size: tuple[int, int], area: tuple[int, int]) -> Iterator[Rectangle]:
    """Yield places for a name at an object, the usual one first; all lie within the picture."""
    (left, top, right, bottom), (width, height) = box, size
    if width > area[0] or height > area[1]:
        return
    places = [
        (left, top - height), (right - width, top - height), (left, bottom), (right - width, bottom),
        (left, top), (right - width, top), (left, bottom - height), (right - width, bottom - height),
        (right, top), (left - width, top), (right, bottom - height), (left - width, bottom - height),
        *((left, top + step * height) for step in range(1, 4)),
    ]  # fmt: skip
    for x, y in places:
        across = int(min(max(x, 0), area[0] - width))
        down = int(min(max(y, 0), area[1] - height))
        yield across, down, across + width, down + height
