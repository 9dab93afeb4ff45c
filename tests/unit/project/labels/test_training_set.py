from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.project.labels import training_set


def make(root: Path, data: str = "names: [cat]\nval: images/val\n", images: int = 3) -> Path:
    """A training set of a few images, and its data.yaml."""
    for folder in ("images/val", "labels/val", "images/train"):
        (root / folder).mkdir(parents=True)
    for number in range(images):
        (root / f"images/val/{number:03}.jpg").touch()
        (root / f"labels/val/{number:03}.txt").touch()
    (root / "images/train/000.jpg").touch()
    path = root / "data.yaml"
    path.write_text(data, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(CvimakeError) as caught:
        training_set.read(path)
    return str(caught.value)


def test_the_images_are_those_of_its_val_and_the_labels_its_own(tmp_path: Path) -> None:
    path = make(tmp_path)
    found = training_set.read(path)
    assert found.folder == tmp_path / "images" / "val"
    assert list(found.images) == ["000.jpg", "001.jpg", "002.jpg"]
    assert found.labels == path
    assert found.keypoints == 0


def test_a_path_is_taken_as_ultralytics_takes_it(tmp_path: Path) -> None:
    make(tmp_path / "set")
    others = {
        "path: set\nval: images/val": tmp_path / "data.yaml",
        f"path: {tmp_path / 'set'}\nval: images/val": tmp_path / "data.yaml",
        # As some programs write it, from a folder below.
        "val: ../images/val": tmp_path / "set" / "data.yaml",
    }
    for text, path in others.items():
        path.write_text(f"names: [cat]\n{text}\n", encoding="utf-8")
        assert training_set.read(path).folder == tmp_path / "set" / "images" / "val"


def test_images_elsewhere_have_the_labels_beside_them(tmp_path: Path) -> None:
    make(tmp_path / "set")
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "data.yaml"
    path.write_text(f"names: [cat]\npath: {tmp_path / 'set'}\nval: images/val\n", encoding="utf-8")
    assert training_set.read(path).labels == tmp_path / "set" / "labels" / "val"
    (tmp_path / "set" / "labels").rename(tmp_path / "set" / "others")
    assert f"no folder {tmp_path / 'set' / 'labels' / 'val'} with the labels" in refused(path)


def test_at_most_a_hundred_images_are_calibrated_with_and_always_the_same(tmp_path: Path) -> None:
    few, many = (training_set.read(make(tmp_path / f"{n}", images=n)) for n in (3, 300))
    assert few.calibrated == ("000.jpg", "001.jpg", "002.jpg")
    assert len(many.calibrated) == len(set(many.calibrated)) == 100
    # From all parts of the set; a change of the choice would calibrate every such model anew.
    assert many.calibrated[:3] == training_set.read(tmp_path / "300" / "data.yaml").calibrated[:3]
    assert many.calibrated != tuple(many.images)[:100]
    assert {name[0] for name in many.calibrated} == {"0", "1", "2"}


def test_the_number_of_keypoints_is_taken(tmp_path: Path) -> None:
    path = make(tmp_path, "names: [cat]\nval: images/val\nkpt_shape: [5, 3]\n")
    assert training_set.read(path).keypoints == 5


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("names: [cat]\n", "its val is no folder"),
        ("names: [cat]\nval: [a, b]\n", "its val is no folder"),
        ("names: [cat]\nval: images/none\n", "no folder"),
        ("names: [cat]\nval: images/val/000.jpg\n", "no folder"),
        ("names: [cat]\nval: labels/val\n", "has no images"),
        ("val: images/val\n", "has no names"),
        ("names: [cat\n", "not YAML"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("\x00", "not YAML"),
    ],
)
def test_a_training_set_that_cannot_be_taken_is_refused(tmp_path: Path, data: str, told: str) -> None:
    assert told in refused(make(tmp_path, data))


def test_a_file_that_is_no_data_yaml_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.yaml")
    (tmp_path / "large.yaml").write_bytes(b" " * 300_000)
    assert "is too large" in refused(tmp_path / "large.yaml")


@pytest.mark.parametrize(
    "text", [f"val: {'a' * 5000}", f"path: {'a/' * 3000}\nval: x", "path: data.yaml\nval: x"]
)
def test_a_path_that_no_folder_can_have_is_refused(tmp_path: Path, text: str) -> None:
    path = make(tmp_path, f"names: [cat]\n{text}\n")
    assert "which its val names" in refused(path)
