"""Datasets with labels, made for a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from cvimake.core.errors import DeclarationError
from cvimake.project.dataset import Dataset, DeclaredDataset
from cvimake.project.labels import LabelledImage, Labels, Purpose, read_labels

WIDTH, HEIGHT = 100, 50
IMAGE = LabelledImage("a.png", WIDTH, HEIGHT)
CATS = Purpose(task="detect", classes=("cat", "dog"))


def dataset(
    place: Path, labels: str, /, *, images: tuple[str, ...] = ("a.png", "b.png"), **options: object
) -> DeclaredDataset:
    """Make images of 100 x 50 pixels, and a dataset of them."""
    declared = DeclaredDataset(name="cats", folder=place, dataset=Dataset(labels=labels, **options))  # type: ignore[arg-type]
    for name in images:
        path = declared.files_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return declared


def coco(*annotations: Mapping[str, object], names: tuple[str, ...] = ("cat", "dog"), **more: object) -> str:
    """Return a COCO file of the images a.png and b.png; its ids are unlike cvimake's."""
    images = [{"id": 7 + index, "file_name": name} for index, name in enumerate(("a.png", "b.png"))]
    categories = [{"id": 3 + index, "name": name} for index, name in enumerate(names)]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations} | more)


def box(x: float, y: float, width: float, height: float, **more: object) -> dict[str, object]:
    """Return an annotation of the image a.png and the class cat."""
    return {"image_id": 7, "category_id": 3, "bbox": [x, y, width, height]} | more


def of_coco(folder: Path, text: str, purpose: Purpose = CATS) -> Labels:
    """Read a COCO file for the images a.png and b.png."""
    (folder / "labels.json").write_text(text, encoding="utf-8")
    return read_labels(dataset(folder, "labels.json"), purpose)


def of_txt(folder: Path, text: str, purpose: Purpose = CATS, yaml: str = "names: [cat, dog]") -> Labels:
    """Read Ultralytics' labels for the images a.png, which has them, and b.png, which has none."""
    (folder / "data.yaml").write_text(yaml, encoding="utf-8")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels/a.txt").write_text(text, encoding="utf-8")
    return read_labels(dataset(folder, "data.yaml", folder="images"), purpose)


def mistakes(error: DeclarationError, folder: Path) -> list[str]:
    """Return the lines of an error, with paths relative to the test's folder."""
    return str(error).replace(f"{folder}/", "").splitlines()


def boxes(labels: Labels) -> list[tuple[int, int, tuple[float, ...] | None]]:
    """Return image, category and box of each annotation."""
    return [(one.image, one.category, one.box) for one in labels.annotations]
