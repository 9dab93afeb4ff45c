"""Generates the shapes dataset: `python datasets/shapes/generate.py [FOLDER]`.

Writes `calibration/*.jpg`, `test/*.jpg`, and what the test images show as `test.json`, in the format of COCO.
Every image has a seed of its own, made of the split's and its index, so that no image is in two splits.
Needs the development environment (numpy, Pillow). Existing files are replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import scenes

SEED = 1684
# A split's number is part of its images' seeds. Training and validation are drawn when they are needed.
SPLITS = ("calibration", "test", "training", "validation")
CALIBRATION_IMAGES = 100
TEST_IMAGES = 240


def scene(split: str, index: int) -> scenes.Scene:
    """The scene with that index in a split; any index is good."""
    return scenes.draw(scenes.seeded(SEED, SPLITS.index(split), index))


def labels(drawn: Sequence[scenes.Scene]) -> dict[str, Any]:
    """What scenes show, as COCO has it: a box is left, top, width, height in pixels.

    An image's and a category's id are their indices. A box and an area are of what is seen of the shape.
    """
    return {
        "info": {"description": "cvimake shapes"},
        "categories": [
            {"id": number, "name": name, "supercategory": "shape"}
            for number, name in enumerate(scenes.CLASSES)
        ],
        "images": [
            {"id": index, "file_name": f"test/{index:04}.jpg", "width": scenes.SIZE, "height": scenes.SIZE}
            for index in range(len(drawn))
        ],
        # From 1: pycocotools takes an annotation 0 for none.
        "annotations": [
            {"id": number, **annotation} for number, annotation in enumerate(_annotations(drawn), 1)
        ],
    }


def _annotations(drawn: Sequence[scenes.Scene]) -> Iterator[dict[str, Any]]:
    for index, one in enumerate(drawn):
        for box, number, area in zip(
            one.boxes.tolist(), one.classes.tolist(), one.areas.tolist(), strict=True
        ):
            left, top, right, bottom = box
            yield {
                "image_id": index,
                "category_id": number,
                "bbox": [left, top, right - left, bottom - top],
                "area": area,
                "iscrowd": 0,
            }


def generate(folder: Path) -> None:
    """Writes the committed splits into the folder."""
    for split, count in (("calibration", CALIBRATION_IMAGES), ("test", TEST_IMAGES)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        drawn = [scene(split, index) for index in range(count)]
        for index, one in enumerate(drawn):
            (folder / split / f"{index:04}.jpg").write_bytes(one.jpeg)
        if split == "test":
            text = json.dumps(labels(drawn), separators=(",", ":"))
            # One annotation a line, so that a difference can be read.
            (folder / "test.json").write_text(text.replace("},{", "},\n{") + "\n", encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
