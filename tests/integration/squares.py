"""Networks of each kind that find coloured squares, and images of such squares with labels.

Nothing is trained: a square fills one cell of the grid with the stride 16, and a network compares the mean
colour of each cell with a limit. So it is known what each of them has to find: every square, exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from networks import Network
from numpy.typing import NDArray
from PIL import Image

SIDE, STRIDE = 64, 16
CLASSES = ("red", "green", "blue")
# The squares of each image: row and column of the cell, and the class. None is blue, and one image is empty.
IMAGES = (((0, 1, 0), (2, 2, 1)), ((3, 0, 0), (1, 3, 0)), (), ((1, 1, 1), (3, 3, 0), (0, 3, 1)))
_GRIDS = (8, 4, 2)
_CELLS = sum(grid * grid for grid in _GRIDS)
_MASKS = 32
_NVIDIA_SCALE = 35

Floats = NDArray[np.floating[Any]]


def _dense(net: Network, name: str, tensor: str, weights: Floats, bias: Sequence[float] | Floats) -> str:
    """A convolution of single cells: weights `[out,in]`."""
    net.constant(f"{name}.weight", np.asarray(weights, np.float32)[..., None, None])
    net.constant(f"{name}.bias", np.asarray(bias, np.float32))
    return net.node("Conv", name, tensor, f"{name}.weight", f"{name}.bias", kernel_shape=[1, 1])


def _colours(net: Network) -> None:
    """The mean colour of each cell of each grid, `[1,3,grid,grid]`; the simulator pools small areas alone."""
    finer, side = "images", 4
    for grid in (16, 8, 4, 2, 1):
        finer = net.node(
            "AveragePool", f"colours{grid}", finer, kernel_shape=[side, side], strides=[side, side]
        )
        side = 2


def _logits(net: Network, name: str, grid: int, weights: Floats) -> str:
    """10 where the cell has a colour, and -10 elsewhere; on other grids always about -10."""
    factor = 20.0 if grid == SIDE // STRIDE else 0.01
    return _dense(net, name, f"colours{grid}", weights * factor, [-10.0] * len(weights))


def _fixed(net: Network, name: str, grid: int, values: Sequence[float] | Floats) -> str:
    """The same values in each cell, hardly moved by the picture."""
    return _dense(net, name, f"colours{grid}", net.random.normal(0, 1e-4, (len(values), 3)), values)


def _columns(net: Network, name: str, heads: Sequence[str], channels: int) -> str:
    """The cells of the three grids side by side, `[1,channels,cells]`."""
    flat = [net.reshape(f"{head}.flat", head, [1, channels, -1]) for head in heads]
    return net.node("Concat", name, *flat, axis=2)


def _scores(net: Network, name: str, weights: Floats) -> str:
    heads = [_logits(net, f"{name}{grid}", grid, weights) for grid in _GRIDS]
    return net.node("Sigmoid", f"{name}.sure", _columns(net, f"{name}.all", heads, len(weights)))


def _table(net: Network, name: str, values: Floats) -> str:
    """Values `[channels,cells]` of each cell, hardly moved by the picture."""
    heads = [_fixed(net, f"{name}{grid}", grid, np.zeros(len(values))) for grid in _GRIDS]
    net.constant(f"{name}.values", values[None].astype(np.float32))
    return net.node("Add", f"{name}.sum", _columns(net, f"{name}.all", heads, len(values)), f"{name}.values")


def _centres() -> Floats:
    """The middle and the size of each cell in pixels, `[4,cells]`."""
    cells = []
    for grid in _GRIDS:
        side = SIDE / grid
        rows, columns = np.mgrid[:grid, :grid].reshape(2, -1)
        sides = np.full(grid * grid, side)
        cells.append(np.stack([(columns + 0.5) * side, (rows + 0.5) * side, sides, sides]))
    return np.concatenate(cells, 1)


def _six(box: Sequence[float], *, grouped: bool = False) -> Callable[[Network], dict[str, list[int]]]:
    """Six heads with the same box values in each cell, in turns or grouped."""

    def heads(net: Network) -> dict[str, list[int]]:
        def boxes(grid: int) -> tuple[str, list[int]]:
            return _fixed(net, f"box{grid}", grid, box), [1, len(box), grid, grid]

        def scores(grid: int) -> tuple[str, list[int]]:
            return _logits(net, f"score{grid}", grid, np.eye(3)), [1, 3, grid, grid]

        places = [(boxes, grid) for grid in _GRIDS] + [(scores, grid) for grid in _GRIDS]
        if not grouped:
            places = [(head, grid) for grid in _GRIDS for head in (boxes, scores)]
        return dict(head(grid) for head, grid in places)

    return heads


def _fomo(net: Network) -> dict[str, list[int]]:
    background = np.concatenate([-np.ones((1, 3)), np.eye(3)])
    logits = _dense(net, "logits", "colours4", background * 20, [10.0, -10.0, -10.0, -10.0])
    sure = net.node("Sigmoid", "sure", logits)
    return {net.node("Transpose", "cells", sure, perm=[0, 2, 3, 1]): [1, 4, 4, 4]}


def _nvidia_det(net: Network, values: int = 4) -> dict[str, list[int]]:
    """Scores and boxes with so many values for each; the camera needs 4."""
    sure = net.node("Sigmoid", "sure", _logits(net, "score", 4, np.eye(3)))
    # The middle of a cell lies half a pixel beside its corner.
    sides = np.array([0.5, 0.5, STRIDE - 0.5, STRIDE - 0.5] * 3) / _NVIDIA_SCALE
    boxes = _fixed(net, "box", 4, sides[: 3 * values])
    return {
        net.node("Transpose", "scores", sure, perm=[0, 2, 3, 1]): [1, 4, 4, 3],
        net.node("Transpose", "boxes", boxes, perm=[0, 2, 3, 1]): [1, 4, 4, 3 * values],
    }


def _nine(net: Network) -> dict[str, list[int]]:
    """Boxes, scores and points of each grid, as a YOLO26-pose has them."""
    outputs = {}
    for grid in _GRIDS:
        for name, channels in (("box", 4), ("score", 3), ("points", 6)):
            outputs[_fixed(net, f"{name}{grid}", grid, np.ones(channels))] = [1, channels, grid, grid]
    return outputs


def _yolov5(net: Network) -> dict[str, list[int]]:
    # The first anchor finds everything, the others nothing.
    objects = np.stack([np.ones(3), np.zeros(3), np.zeros(3)])
    anchors = []
    for number, anchor in enumerate(objects):
        centres = _table(net, f"box{number}", _centres() / SIDE)
        sure = _scores(net, f"score{number}", np.stack([anchor, *np.eye(3)]))
        anchors.append(net.node("Concat", f"anchor{number}", centres, sure, axis=1))
    columns = net.node("Concat", "anchors", *anchors, axis=2)
    return {net.node("Transpose", "rows", columns, perm=[0, 2, 1]): [1, 3 * _CELLS, 8]}


def _pose(net: Network) -> dict[str, list[int]]:
    x, y, width, height = _centres()
    sure = np.full(_CELLS, 0.9)
    points = np.stack([x - width / 4, y - height / 4, sure, x + width / 4, y + height / 4, sure])
    parts = [
        _table(net, "box", _centres()),
        _scores(net, "score", np.eye(3)[:1]),
        _table(net, "points", points),
    ]
    return {net.node("Concat", "pose", *parts, axis=1): [1, 11, _CELLS]}


def _seg(net: Network) -> dict[str, list[int]]:
    # The first mask is 1 inside of squares and -1 outside; each object takes this one alone.
    coefficients = np.zeros((_MASKS, _CELLS))
    coefficients[0] = 1
    # A box that is a trace too small would cut off a row of pixels.
    boxes = _centres() + np.array([[0], [0], [0.125], [0.125]])
    parts = [_table(net, "box", boxes), _scores(net, "score", np.eye(3)), _table(net, "part", coefficients)]
    found = net.node("Concat", "found", *parts, axis=1)
    masks = np.zeros((_MASKS, 3))
    masks[0] = 2
    return {
        found: [1, 4 + 3 + _MASKS, _CELLS],
        _dense(net, "masks", "colours16", masks, [-1.0] + [0.0] * (_MASKS - 1)): [1, _MASKS, 16, 16],
    }


def _classifier(net: Network) -> dict[str, list[int]]:
    whole = _dense(net, "logits", "colours1", np.eye(3) * 20, [-10.0] * 3)
    return {net.node("Softmax", "sure", net.reshape("flat", whole, [1, 3]), axis=1): [1, 3]}


# Of a distribution over 16 distances: half of it on 0 and half on 1.
_HALF = [8.0, 8.0] + [-8.0] * 14
NETWORKS: dict[str, Callable[[Network], dict[str, list[int]]]] = {
    "FOMO": _fomo,
    "YOLOv5": _yolov5,
    "classifier": _classifier,
    "YOLOv8": _six(_HALF * 4, grouped=True),
    "NvidiaDet": _nvidia_det,
    "YOLO11-pose": _pose,
    "YOLO11-seg": _seg,
    "YOLO26": _six([0.5] * 4),
}
# Networks that nobody can decode, though they look like a kind.
UNDECODABLE: dict[str, Callable[[Network], dict[str, list[int]]]] = {
    "three_sides": lambda net: _nvidia_det(net, 3),
    "nine": _nine,
}


def save_network(path: Path, kind: str) -> None:
    """Writes the network of a kind."""
    net = Network()
    _colours(net)
    outputs = (NETWORKS | UNDECODABLE)[kind](net)
    _drop_unused(net, set(outputs))
    net.save(path, {"images": [1, 3, SIDE, SIDE]}, outputs)


def _drop_unused(net: Network, used: set[str]) -> None:
    kept = []
    for node in reversed(net.nodes):
        if used & set(node.output):
            kept.append(node)
            used |= set(node.input)
    net.nodes = kept[::-1]


def save_squares(folder: Path) -> None:
    """Writes the images of squares with COCO's labels: boxes, outlines, and two points of each square."""
    folder.mkdir(parents=True)
    annotations: list[dict[str, Any]] = []
    for number, squares in enumerate(IMAGES):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        for row, column, colour in squares:
            top, left = row * STRIDE, column * STRIDE
            pixels[top : top + STRIDE, left : left + STRIDE, colour] = 255
            annotations.append(_label(len(annotations) + 1, number, colour, left, top))
        Image.fromarray(pixels).save(folder / f"{number}.png")
    labels = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE}
            for number in range(len(IMAGES))
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
        "annotations": annotations,
    }
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    (folder / "dataset.toml").write_text('files = ["*.png"]\nlabels = "labels.json"\n', encoding="utf-8")


def _label(number: int, image: int, colour: int, left: int, top: int) -> dict[str, Any]:
    right, bottom, inset = left + STRIDE, top + STRIDE, STRIDE // 4
    return {
        "id": number,
        "image_id": image,
        "category_id": colour,
        "bbox": [left, top, STRIDE, STRIDE],
        "area": STRIDE * STRIDE,
        "iscrowd": 0,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "keypoints": [left + inset, top + inset, 2, right - inset, bottom - inset, 2],
        "num_keypoints": 2,
    }


def save_colours(folder: Path) -> None:
    """Writes images of one colour, in a folder for each class; there is no blue one."""
    for number, name in enumerate(CLASSES[:2]):
        (folder / name).mkdir(parents=True)
        for brightness in (150, 255):
            pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
            pixels[..., number] = brightness
            Image.fromarray(pixels).save(folder / name / f"{brightness}.png")
    (folder / "dataset.toml").write_text('files = ["*/*.png"]\nlabels = "."\n', encoding="utf-8")
