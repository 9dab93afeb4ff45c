"""Projects with a model that is measured on a dataset of small images."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from cvimake.project import DeclaredModel, read_declarations
from cvimake.project.accuracy import DeclaredAccuracy

MODEL = """
source = "net.onnx"
classes = "classes.txt"
[input]
shapes = [[1, 3, 64, 64]]
[verify]
input = "cat.png"
[variant.f16]
quantize = "F16"
[accuracy]
dataset = "street"
"""


def project(root: Path, more: str = "", labels: object = None, images: int = 10) -> None:
    model, dataset = root / "models/net", root / "datasets/street"
    for folder in (model, dataset):
        folder.mkdir(parents=True)
    (model / "model.toml").write_text(MODEL + more, encoding="utf-8")
    (model / "classes.txt").write_text("cat\ndog\n", encoding="utf-8")
    declared = 'files = ["*.png"]\n'
    if labels is not None:
        (dataset / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
        declared += 'labels = "labels.json"\n'
    (dataset / "dataset.toml").write_text(declared, encoding="utf-8")
    for number in range(images):
        Image.new("RGB", (64, 48)).save(dataset / f"{number}.png")


def labels(*boxes: tuple[int, str]) -> object:
    names = sorted({name for _, name in boxes})
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in range(10)],
        "categories": [{"id": 7 + place, "name": name} for place, name in enumerate(names)],
        "annotations": [
            {
                "id": n,
                "image_id": image,
                "category_id": 7 + names.index(name),
                "bbox": [1, 2, 30, 20],
                "area": 600,
            }
            for n, (image, name) in enumerate(boxes)
        ],
    }


def accuracy(root: Path) -> DeclaredAccuracy:
    (model,) = read_declarations(root).models.values()
    assert isinstance(model, DeclaredModel)
    assert model.accuracy is not None
    return model.accuracy
