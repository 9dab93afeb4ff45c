"""Measures a detector on the labelled test images: `python models/shapes/measure.py [--picture FILE]`.

The network runs in onnxruntime, average precision is pycocotools'. Both come with `pip install .[train]`.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from needs import needs

needs("numpy", "onnxruntime", "PIL", "pycocotools")

import numpy as np
import onnxruntime
from detect import Detections, Floats, detect
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = Path(__file__).parent
DATASET = FOLDER.parents[1] / "datasets" / "shapes"

Predict = Callable[[Floats], Sequence[Floats]]
"""An image `[1,3,h,w]` in 0..1 to the six heads."""

# Of the picture.
_COLUMNS, _ROWS = 4, 3
_SURE = 0.4
_COLOURS = ("#ff4040", "#40ff40", "#4080ff", "#ffff40")


@dataclass(frozen=True)
class AveragePrecision:
    """From 0 to 1.

    Attributes:
        at_50: with boxes that overlap the true ones by at least a half.
        at_50_to_95: the mean over ten such thresholds.
        of_class: the same two by the classes' names.
    """

    at_50: float
    at_50_to_95: float
    of_class: dict[str, tuple[float, float]]


def as_input(image: NDArray[np.uint8]) -> Floats:
    """An RGB image `[h,w,3]` as the network takes it: `[1,3,h,w]` in 0..1."""
    return np.asarray(image.transpose(2, 0, 1)[None] / np.float32(255), np.float32, order="C")


def average_precision(labels: dict[str, Any], found: Iterable[Detections]) -> AveragePrecision:
    """How good detections are.

    Args:
        labels: what the images show, as COCO has it.
        found: what was detected, in the order of the labels' images.
    """
    results = [
        {"image_id": image["id"], "category_id": number, "bbox": _as_coco(box), "score": score}
        for image, one in zip(labels["images"], found, strict=True)
        for box, score, number in zip(one.boxes, one.scores.tolist(), one.classes.tolist(), strict=True)
    ]
    names = {category["id"]: category["name"] for category in labels["categories"]}
    if not results:
        return AveragePrecision(0.0, 0.0, dict.fromkeys(names.values(), (0.0, 0.0)))
    # It prints what it does.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        # It adds members to the labels.
        truth.dataset = copy.deepcopy(labels)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # [threshold, recall, class, area, most detections]: of all areas, with the most detections allowed.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    of_class = {
        names[category]: (float(precision[0, :, index].mean()), float(precision[:, :, index].mean()))
        for index, category in enumerate(evaluation.params.catIds)
    }
    return AveragePrecision(float(evaluation.stats[1]), float(evaluation.stats[0]), of_class)


def _as_coco(box: Floats) -> list[float]:
    left, top, right, bottom = box.tolist()
    return [left, top, right - left, bottom - top]


def predictor(path: Path) -> Predict:
    """What runs an ONNX file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})


def picture(
    images: Sequence[NDArray[np.uint8]], found: Sequence[Detections], classes: Sequence[str]
) -> Image.Image:
    """Images in rows, with what was detected in them for sure."""
    height, width = images[0].shape[:2]
    sheet = Image.new("RGB", (_COLUMNS * width, _ROWS * height))
    for index, (image, one) in enumerate(zip(images, found, strict=True)):
        tile = Image.fromarray(image)
        pen = ImageDraw.Draw(tile)
        for box, score, number in zip(
            one.boxes.tolist(), one.scores.tolist(), one.classes.tolist(), strict=True
        ):
            if score >= _SURE:
                pen.rectangle(box, outline=_COLOURS[number % len(_COLOURS)])
                corner = (box[0] + 2, max(box[1] - 11, 0))
                pen.text(
                    corner,
                    f"{classes[number]} {score:.2f}",
                    fill="white",
                    stroke_width=1,
                    stroke_fill="black",
                )
        sheet.paste(tile, (index % _COLUMNS * width, index // _COLUMNS * height))
    return sheet


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="measure a detector on the test images of the shapes")
    parser.add_argument(
        "--model", type=Path, default=FOLDER / "shapes.onnx", help="an ONNX file with six heads"
    )
    parser.add_argument("--picture", type=Path, help="where to write a picture of some of the detections")
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        print(f"measure: {arguments.model}: no such file", file=sys.stderr)
        return 2
    labels = json.loads((DATASET / "test.json").read_text(encoding="utf-8"))
    images = [np.asarray(Image.open(DATASET / image["file_name"])) for image in labels["images"]]
    predict = predictor(arguments.model)
    found = [detect(predict(as_input(image))) for image in images]
    measured = average_precision(labels, found)
    print(f"{'':12}{'mAP50':>8}{'mAP50-95':>10}")
    for name, (at_50, at_50_to_95) in measured.of_class.items():
        print(f"{name:12}{at_50:8.4f}{at_50_to_95:10.4f}")
    print(f"{'all':12}{measured.at_50:8.4f}{measured.at_50_to_95:10.4f}")
    if arguments.picture:
        shown = slice(0, _COLUMNS * _ROWS)
        picture(images[shown], found[shown], list(measured.of_class)).save(arguments.picture, quality=80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
