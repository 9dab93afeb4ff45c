from __future__ import annotations

import json
from pathlib import Path

import pytest
from labelled import CATS, coco, dataset, mistakes

from cvimake.core.errors import DeclarationError
from cvimake.project.dataset import Dataset, DeclaredDataset
from cvimake.project.labels import Purpose, read_labels

SHAPES = Path(__file__).resolve().parents[4] / "datasets" / "shapes"


def told(declared: DeclaredDataset, purpose: Purpose = CATS) -> list[str]:
    with pytest.raises(DeclarationError) as error:
        read_labels(declared, purpose)
    return mistakes(error.value, declared.folder)


def test_the_labels_of_this_projects_own_dataset_keep_every_object() -> None:
    declared = DeclaredDataset(
        name="shapes", folder=SHAPES, dataset=Dataset(folder="test", labels="test.json")
    )
    labels = read_labels(
        declared, Purpose(task="detect", classes=("star", "circle", "rectangle", "triangle"))
    )
    assert labels.notes == ()
    read, source = json.loads(labels.coco()), json.loads((SHAPES / "test.json").read_text(encoding="utf-8"))
    names = {one["id"]: one["name"] for one in source["categories"]}
    assert [
        (one["image_id"], one["bbox"], labels.classes[one["category_id"]]) for one in read["annotations"]
    ] == [(one["image_id"], one["bbox"], names[one["category_id"]]) for one in source["annotations"]]


def test_a_dataset_without_labels_is_told(tmp_path: Path) -> None:
    declared = DeclaredDataset(name="x", folder=tmp_path, dataset=Dataset())
    assert told(declared) == ['dataset.toml: has no labels; for example: labels = "labels.json"']


def test_labels_are_for_single_images(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png,b.png\n", encoding="utf-8")
    assert told(dataset(tmp_path, "labels.json", data_list="list.txt")) == [
        "dataset.toml: labels are for samples of one image each"
    ]
    assert told(dataset(tmp_path / "y", "labels.json", images=())) == [
        "dataset.toml: has no samples, so the labels belong to nothing"
    ]


def test_the_order_of_images_is_that_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b.png\na.png\n", encoding="utf-8")
    (tmp_path / "labels.json").write_text(
        coco({"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}), encoding="utf-8"
    )
    labels = read_labels(dataset(tmp_path, "labels.json", data_list="list.txt"), CATS)
    assert [image.name for image in labels.images] == ["b.png", "a.png"]
    assert labels.annotations[0].image == 1


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("labels.json", None, "labels.json: cannot be read: No such file or directory"),
        ("labels.xml", b"", "labels.xml: is neither COCO's .json, nor a data.yaml, nor a folder"),
        ("labels.json", b"\xff", "labels.json: not UTF-8 text"),
        ("data.yaml", b"\xff", "data.yaml: not UTF-8 text"),
        ("data.yaml", b" " * 300_000, "data.yaml: is too large: 300000 bytes, 262144 at most"),
    ],
)
def test_labels_that_cannot_be_read_are_told(
    tmp_path: Path, name: str, data: bytes | None, expected: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert told(dataset(tmp_path, name)) == [expected]


def test_a_data_yaml_has_no_labels_for_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").touch()
    assert told(dataset(tmp_path, "data.yaml"), Purpose(task="classify")) == [
        (
            "data.yaml: a data.yaml has no labels for a classifier; "
            "declare the folder with one folder for each class"
        )
    ]


def test_an_image_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    declared = dataset(tmp_path, "labels.json", images=("a.png",))
    (tmp_path / "b.png").write_bytes(b"no image")
    assert told(declared) == ["b.png: is no image"]
