"""Draws scenes of coloured shapes, and says where each is seen: pure functions of a random generator.

A scene is drawn on a raster finer than the image, in which every cell belongs to the shape that is seen
there. The smooth edges and the boxes come from this one raster: a box is right to a quarter of a pixel.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

CLASSES = ("circle", "rectangle", "triangle", "star")
# A packed RGB row of 256 pixels is 768 bytes: a multiple of 128, as `aligned_input` wants it.
SIZE = 256
JPEG_QUALITY = 80

# Cells of the raster on a pixel's side.
_FINE = 4
# How often a shape is placed on another one. Each pair makes two that overlap, so that a fifth of all do.
_PLACED_ON_ANOTHER = 0.125
# What of a shape must remain seen, and be covered at least for the pair to count as overlapping.
_LEAST_SEEN, _LEAST_COVERED = 0.5, 0.06
_LEAST_GAP = 3.0
# Distance in RGB between a shape's colours and what is around it; less is hard for people too.
_LEAST_CONTRAST = 70.0
_ATTEMPTS = 40


@dataclass(frozen=True)
class Scene:
    """An image and the shapes that are seen in it.

    Attributes:
        jpeg: the image as a file, RGB `[SIZE,SIZE,3]`.
        boxes: `[n,4]`: left, top, right, bottom of what is seen of each shape, in pixels.
        classes: `[n]`, indices into `CLASSES`.
        areas: `[n]`, square pixels that are seen.
    """

    jpeg: bytes
    boxes: Floats
    classes: NDArray[np.int64]
    areas: Floats


def seeded(*seed: int) -> np.random.Generator:
    """The generator for one scene, such as of a split and an index in it."""
    return np.random.default_rng(seed)


def draw(random: np.random.Generator) -> Scene:
    """One scene of two to seven shapes; less where no room is left."""
    owners, classes = _placed(random)
    image = _background(random)
    boxes, areas = [], []
    colours: list[Floats] = []
    for index in range(len(classes)):
        seen = owners == index + 1
        left, top, right, bottom = box = _bounds(seen)
        boxes.append([edge / _FINE for edge in box])
        areas.append(float(seen.sum()) / _FINE**2)
        columns = slice(left // _FINE, -(-right // _FINE))
        rows = slice(top // _FINE, -(-bottom // _FINE))
        around = image[rows, columns]
        # The neighbours' colours are in what is around only where they are already drawn, so all are avoided.
        texture = _texture(random, around.shape[:2], [around.mean((0, 1)), *colours[-2:]])
        colours.append(texture.mean((0, 1)))
        cells = seen[
            rows.start * _FINE : rows.stop * _FINE, columns.start * _FINE : columns.stop * _FINE
        ].reshape(around.shape[0], _FINE, around.shape[1], _FINE)
        cover = cells.mean((1, 3), dtype=np.float32)[..., None]
        image[rows, columns] = around * (1 - cover) + texture * cover
    return Scene(
        jpeg=_encoded(_lit(random, image)),
        boxes=np.array(boxes, np.float32),
        classes=np.array(classes, np.int64),
        areas=np.array(areas, np.float32),
    )


def _encoded(image: Bytes) -> bytes:
    """An image as JPEG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()


def decoded(jpeg: bytes) -> Bytes:
    """A JPEG as an image `[height,width,3]`."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def _placed(random: np.random.Generator) -> tuple[Bytes, list[int]]:
    """The raster `[SIZE*_FINE,SIZE*_FINE]` of whose cell is whose (0: nobody's), and the shapes' classes."""
    owners = np.zeros((SIZE * _FINE, SIZE * _FINE), np.uint8)
    classes: list[int] = []
    boxes: list[Floats] = []
    wanted = int(random.integers(2, 8))
    for _ in range(wanted):
        target = None
        if classes and random.random() < _PLACED_ON_ANOTHER * wanted / (wanted - 1):
            target = int(random.integers(len(classes)))
        kind = int(random.integers(len(CLASSES)))
        for _ in range(_ATTEMPTS):
            outline = _outline(random, CLASSES[kind])
            outline += _centre(random, outline, None if target is None else boxes[target])
            box = np.clip([*outline.min(0), *outline.max(0)], 0, SIZE).astype(np.float32)
            if not all(_apart(box, other) for index, other in enumerate(boxes) if index != target):
                continue
            mask = _filled(outline)
            if target is not None and not _overlap(owners == target + 1, mask):
                continue
            owners[mask] = len(classes) + 1
            classes.append(kind)
            boxes.append(box)
            break
    return owners, classes


def _outline(random: np.random.Generator, kind: str) -> Floats:
    """Corners `[n,2]` around the origin, in pixels, turned by any angle."""
    if kind == "circle":
        angles, radii = np.linspace(0, 2 * np.pi, 96, endpoint=False), np.ones(96)
    elif kind == "rectangle":
        half = np.arctan(random.uniform(0.5, 1.0))
        angles, radii = np.array([half, np.pi - half, np.pi + half, -half]), np.ones(4)
    elif kind == "triangle":
        angles, radii = np.pi * np.array([0.5, 7 / 6, 11 / 6]), np.ones(3)
    else:
        angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        radii = np.where(np.arange(10) % 2, random.uniform(0.4, 0.55), 1.0)
    corners = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1)
    if kind == "triangle":
        corners[:, 1] *= random.uniform(0.75, 1.3)
    # Evenly over the logarithm: as many shapes from 10 to 20 as from 20 to 40.
    radius = np.exp(random.uniform(np.log(10.0), np.log(60.0)))
    turn = random.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.asarray(corners @ rotation * radius, np.float32)


def _centre(random: np.random.Generator, outline: Floats, target: Floats | None) -> Floats:
    """Where a shape goes: anywhere, the image's border cuts a little off some; or near the target's box."""
    radius = float(np.abs(outline).max())
    if target is None:
        return random.uniform(0.75 * radius, SIZE - 0.75 * radius, 2).astype(np.float32)
    middle, half = (target[:2] + target[2:]) / 2, float((target[2:] - target[:2]).max()) / 2
    direction, distance = random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.0) * (radius + half)
    centre = middle + distance * np.array([np.cos(direction), np.sin(direction)])
    return np.clip(centre, 0.75 * radius, SIZE - 0.75 * radius).astype(np.float32)


def _apart(one: Floats, other: Floats) -> bool:
    """Whether two boxes are."""
    return bool(np.any(one[:2] > other[2:] + _LEAST_GAP) or np.any(other[:2] > one[2:] + _LEAST_GAP))


def _overlap(below: NDArray[np.bool_], above: NDArray[np.bool_]) -> bool:
    """Whether the upper of two masks covers the lower one, enough and not too much."""
    shared, lower, upper = (int(np.count_nonzero(mask)) for mask in (below & above, below, above))
    return shared >= _LEAST_COVERED * min(lower, upper) and lower - shared >= _LEAST_SEEN * lower


def _filled(outline: Floats) -> NDArray[np.bool_]:
    raster = Image.new("L", (SIZE * _FINE, SIZE * _FINE))
    # A cell is drawn where its middle is inside.
    ImageDraw.Draw(raster).polygon([tuple(corner) for corner in (outline * _FINE - 0.5).tolist()], fill=1)
    return np.asarray(raster).astype(np.bool_)


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom; right and bottom are the first cells outside."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _colour(random: np.random.Generator, avoided: list[Floats]) -> Floats:
    """Any colour that differs from those; where none is found soon, the best one seen."""
    colours = random.uniform(0, 255, (_ATTEMPTS, 3)).astype(np.float32)
    distances = np.min([np.linalg.norm(colours - other, axis=1) for other in avoided], axis=0)
    good = np.flatnonzero(distances >= _LEAST_CONTRAST)
    chosen: Floats = colours[good[0] if len(good) else distances.argmax()]
    return chosen


def _texture(random: np.random.Generator, shape: tuple[int, ...], avoided: list[Floats]) -> Floats:
    """A rectangle `[height,width,3]` of one or two colours, none of them among the avoided."""
    one, other = _colour(random, avoided), _colour(random, avoided)
    # The second is mixed from both: a pattern, not another object.
    other = one + (other - one) * np.float32(random.uniform(0.25, 0.7))
    return np.asarray(one + (other - one) * _pattern(random, shape)[..., None])


def _pattern(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Weights `[height,width]` from 0 to 1: plain, a gradient, stripes, checks, waves, spots or speckles."""
    kind = int(random.integers(7))
    rows, columns = np.indices(shape, dtype=np.float32)
    turn, period = random.uniform(0, 2 * np.pi), random.uniform(5, 20)
    along = columns * np.float32(np.cos(turn)) + rows * np.float32(np.sin(turn))
    across = rows * np.float32(np.cos(turn)) - columns * np.float32(np.sin(turn))
    weights: NDArray[np.floating]
    match kind:
        case 0:
            weights = np.zeros(shape)
        case 1:
            weights = (along - along.min()) / max(float(np.ptp(along)), 1.0)
        case 2:
            weights = np.floor(along / period) % 2
        case 3:
            weights = (np.floor(along / period) + np.floor(across / period)) % 2
        case 4:
            weights = np.sin(along * 2 * np.pi / period) / 2 + 0.5
        case 5:
            weights = _enlarged(random.random((4, 4)), shape, Image.Resampling.BICUBIC)
        case _:
            weights = random.random(shape)
    return weights.astype(np.float32)


def _enlarged(values: NDArray[np.float64], shape: tuple[int, ...], how: Image.Resampling) -> Floats:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(np.clip(np.asarray(image.resize((shape[1], shape[0]), how)), 0, 1))


def _background(random: np.random.Generator) -> Floats:
    """What is behind the shapes `[SIZE,SIZE,3]`: two colours in a pattern or in blocks, and lines."""
    one, other = random.uniform(0, 255, (2, 3)).astype(np.float32)
    kind = random.random()
    if kind < 0.3:
        cells = random.integers(3, 12, 2)
        weights = _enlarged(random.random(cells), (SIZE, SIZE), Image.Resampling.NEAREST)
    elif kind < 0.6:
        cells = random.integers(3, 9, 2)
        weights = _enlarged(random.random(cells), (SIZE, SIZE), Image.Resampling.BICUBIC)
    else:
        weights = _pattern(random, (SIZE, SIZE))
    # Strong contrasts only where they are smooth.
    strength = random.uniform(0.1, 0.4)
    canvas = one + (other - one) * np.float32(strength) * weights[..., None]
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(0, 5))):
        ends = random.uniform(0, SIZE, 4).tolist()
        colour = tuple(random.integers(0, 256, 3).tolist())
        pen.line(ends, fill=colour, width=int(random.integers(1, 4)))
    return np.asarray(image).astype(np.float32)


def _lit(random: np.random.Generator, image: Floats) -> Bytes:
    """The scene as a camera sees it: bright or dark, shaded to one side, blurred, noisy."""
    rows, columns = np.indices((SIZE, SIZE), dtype=np.float32) / SIZE - 0.5
    turn = random.uniform(0, 2 * np.pi)
    towards = columns * np.float32(np.cos(turn)) + rows * np.float32(np.sin(turn))
    light = random.uniform(0.55, 1.15) * (1 + random.uniform(0, 0.6) * towards)
    seen = Image.fromarray(np.clip(image * light[..., None], 0, 255).astype(np.uint8))
    if random.random() < 0.5:
        seen = seen.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 1.2))))
    noise = random.standard_normal(image.shape, np.float32) * np.float32(random.uniform(0.0, 8.0))
    return np.asarray(np.clip(np.rint(np.asarray(seen) + noise), 0, 255), np.uint8)
