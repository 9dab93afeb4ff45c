from __future__ import annotations

from pathlib import Path

import pytest
from labelled import boxes, dataset, mistakes

from cvimake.core.errors import DeclarationError
from cvimake.project.labels import Purpose, read_labels

IMAGES = ("photos/cat/a.png", "photos/dog/b.png", "photos/dog/more/c.png")


def test_the_folder_of_an_image_is_its_class(tmp_path: Path) -> None:
    purpose = Purpose(task="classify", classes=("rat", "dog", "Cat"))
    labels = read_labels(dataset(tmp_path, "photos", images=IMAGES), purpose)
    assert boxes(labels) == [(0, 2, None), (1, 1, None), (2, 1, None)]
    assert labels.notes == (
        f"{tmp_path}/photos: no label is of 1 of the model's classes; figures leave them out",
    )


def test_both_folders_can_be_declared_with_dots(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    folder.mkdir()
    images = ("cat/a.png", "dog/b.png")
    labels = read_labels(
        dataset(folder, "../photos", images=images, folder="../photos"),
        Purpose(task="classify", classes=("cat", "dog")),
    )
    assert boxes(labels) == [(0, 0, None), (1, 1, None)]


def test_without_classes_of_the_model_the_folders_are_its_classes_in_the_order_of_names(
    tmp_path: Path,
) -> None:
    labels = read_labels(dataset(tmp_path, "photos", images=IMAGES), Purpose(task="classify"))
    assert labels.classes == ("cat", "dog")
    assert "the model declares no classes" in labels.notes[0]


def test_unknown_folders_and_images_without_a_folder_are_told(tmp_path: Path) -> None:
    images = ("photos/a.png", "b.png", "photos/cta/c.png")
    with pytest.raises(DeclarationError) as error:
        read_labels(dataset(tmp_path, "photos", images=images), Purpose(task="classify", classes=("cat",)))
    assert mistakes(error.value, tmp_path) == [
        f"b.png: is in no folder of a class, below {tmp_path}/photos".replace(f"{tmp_path}/", ""),
        "photos/a.png: is in no folder of a class, below photos",
        "photos: the model has no class 'cta'; did you mean cat?",
    ]
