from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from measured_projects import accuracy, labels, project

from cvimake.project import accuracy_images, labels_cache, read_declarations
from cvimake.project.labels import Labels, read_labels


def mistakes(root: Path) -> list[str]:
    (model,) = read_declarations(root).unusable.values()
    return [mistake.removeprefix(f"{root}/") for mistake in model.mistakes]


def test_images_are_evenly_spread_over_the_dataset(tmp_path: Path) -> None:
    project(tmp_path, "input_num = 5")
    assert list(accuracy(tmp_path).images) == ["0.png", "2.png", "4.png", "6.png", "8.png"]


def test_without_a_number_as_many_images_are_taken_as_are_quick(tmp_path: Path) -> None:
    project(tmp_path)
    assert len(accuracy(tmp_path).images) == 10
    (tmp_path / "models/net/net.onnx").write_bytes(b"")
    os.truncate(tmp_path / "models/net/net.onnx", 10**11)
    slow = accuracy(tmp_path)
    assert len(slow.images) < 10
    assert len(slow.images) * slow.seconds <= 1200


def test_labels_are_those_of_the_chosen_images_with_the_classes_of_the_model(tmp_path: Path) -> None:
    project(tmp_path, "input_num = 2", labels((0, "dog"), (1, "cat"), (5, "cat")))
    found = json.loads(accuracy(tmp_path).labels)
    assert [image["file_name"] for image in found["images"]] == ["0.png", "5.png"]
    assert [(one["image_id"], one["category_id"]) for one in found["annotations"]] == [(0, 1), (1, 0)]
    assert found["categories"] == [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]


def test_classes_that_the_model_does_not_have_are_told(tmp_path: Path) -> None:
    project(tmp_path, "", labels((0, "dog"), (1, "horse")))
    assert any("'horse'" in note for note in accuracy(tmp_path).notes)


def test_without_labels_there_are_none_and_the_classes_are_the_models(tmp_path: Path) -> None:
    project(tmp_path)
    assert accuracy(tmp_path).labels == ""
    assert accuracy(tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("input_num = 11", "models/net/model.toml:12: accuracy.input_num"),
        ("input_num = 11", "is 11, but the number of images is 10"),
        ('metric = "top1"', 'metric: top1 is not a figure of task = "detect"'),
        ("keypoints = 3", 'keypoints: needs task = "pose"'),
        ('task = "paint"', "task"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(tmp_path: Path, more: str, told: str) -> None:
    project(tmp_path, more)
    assert any(told in mistake for mistake in mistakes(tmp_path)), mistakes(tmp_path)


@pytest.mark.parametrize("budget", ["accuracy", "accuracy_drop"])
def test_a_budget_of_a_figure_that_is_not_made_is_refused(tmp_path: Path, budget: str) -> None:
    project(tmp_path, f'metric = "agreement"\n[budget]\n{budget} = 0.5\nagreement = 0.5', labels((0, "cat")))
    (mistake,) = mistakes(tmp_path)
    assert f'budget.{budget}: needs another metric than metric = "agreement" in [accuracy]' in mistake


def test_mistakes_of_labels_stop_the_model_with_the_file_of_the_labels(tmp_path: Path) -> None:
    wrong = labels((0, "cat"))
    assert isinstance(wrong, dict)
    wrong["annotations"][0]["bbox"] = [1, 2, -30, 20]
    project(tmp_path, "", wrong)
    (mistake,) = mistakes(tmp_path)
    assert mistake.startswith("datasets/street/labels.json")


def test_a_form_of_the_input_that_is_not_measured_is_refused_at_its_variant(tmp_path: Path) -> None:
    project(tmp_path, '[deploy]\nfuse_preprocess = true\ncustomization_format = "YUV_NV12"\n')
    assert any("accuracy cannot be measured with YUV_NV12" in mistake for mistake in mistakes(tmp_path))


def test_a_batch_of_several_images_is_refused(tmp_path: Path) -> None:
    project(tmp_path)
    declaration = tmp_path / "models/net/model.toml"
    text = declaration.read_text(encoding="utf-8").replace("[[1, 3", "[[4, 3")
    declaration.write_text(text, encoding="utf-8")
    (mistake,) = mistakes(tmp_path)
    assert "one image at a time, and the batch of [input] shapes is 4" in mistake


def test_two_models_do_not_displace_each_others_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "input_num = 5\n", labels((0, "dog"), (2, "cat")))
    shutil.copytree(tmp_path / "models/net", tmp_path / "models/other")
    path = tmp_path / "models/other/model.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("input_num = 5", "input_num = 2"), "utf-8")
    monkeypatch.setattr(labels_cache, "_SETTLED", -(10**18))
    before = read_declarations(tmp_path).models
    monkeypatch.setattr(accuracy_images, "read_labels", lambda *_of: pytest.fail("the labels are read again"))
    assert read_declarations(tmp_path).models == before


def _yolo(root: Path) -> list[Path]:
    """Labels as txt files; returns those of images 1, 2 and 3, of which the last is missing."""
    folder = root / "datasets/street/labels"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n", encoding="utf-8")
    return [folder / f"{number}.txt" for number in (1, 2, 3)]


def _data_yaml(root: Path) -> list[Path]:
    dataset = root / "datasets/street"
    (dataset / "data.yaml").write_text("names: [cat, dog]\n", encoding="utf-8")
    (dataset / "0.txt").write_text("0 0.5 0.5 0.2 0.2\n", encoding="utf-8")
    return [dataset / "data.yaml", dataset / "0.txt", dataset / "1.txt"]


def _names(root: Path) -> list[Path]:
    _yolo(root)
    return [root / "datasets/street/labels/classes.txt"]


def _class_folders(root: Path) -> list[Path]:
    dataset = root / "datasets/street"
    for name in ("cat", "dog"):
        (dataset / name).mkdir()
    for number in range(10):
        (dataset / f"{number}.png").rename(dataset / ("dog" if number % 2 else "cat") / f"{number}.png")
    return []


FORMS = {
    "labels": (_yolo, "files = ['*.png']\nlabels = 'labels'\n", ""),
    "data.yaml": (_data_yaml, "files = ['*.png']\nlabels = 'data.yaml'\n", ""),
    "classes.txt": (_names, "files = ['*.png']\nlabels = 'labels'\n", ""),
    "folders": (_class_folders, "files = ['*/*.png']\nlabels = '.'\n", 'task = "classify"'),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_every_form_are_read_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    make, declared, more = FORMS[form]
    project(tmp_path, more)
    decisive = make(tmp_path)
    (tmp_path / "datasets/street/dataset.toml").write_text(declared, encoding="utf-8")
    monkeypatch.setattr(labels_cache, "_SETTLED", -(10**18))
    times: list[object] = []

    def read(*given: Any) -> Labels:  # noqa: ANN401 - as it is called
        times.append(given)
        return read_labels(*given)

    monkeypatch.setattr(accuracy_images, "read_labels", read)
    before = accuracy(tmp_path)
    assert before.labels
    assert accuracy(tmp_path) == before
    assert len(times) == 1
    # An image too: its size decides what fractions of it are.
    first = next(iter(before.images.values()))
    for number, path in enumerate([*decisive, first], 2):
        path.write_bytes(path.read_bytes() + b"\n" if path.exists() else b"cat\ndog\n")
        read_declarations(tmp_path)
        assert len(times) == number, path


def declared_with(root: Path, old: str, new: str) -> list[str]:
    path = root / "models/net/model.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return mistakes(root)


@pytest.mark.parametrize("key", ["accuracy", "accuracy_drop", "agreement"])
def test_a_budget_of_accuracy_needs_images(tmp_path: Path, key: str) -> None:
    project(tmp_path)
    (mistake,) = declared_with(tmp_path, '[accuracy]\ndataset = "street"', f"[budget]\n{key} = 0.5")
    assert f"models/net/model.toml:11: budget.{key}: needs images to measure on" in mistake


def test_options_of_accuracy_need_a_dataset(tmp_path: Path) -> None:
    project(tmp_path)
    (mistake,) = declared_with(tmp_path, 'dataset = "street"', "input_num = 5")
    assert "accuracy.dataset: is missing, so nothing would be measured" in mistake


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('metric = "mAP50"', "accuracy.metric"),
        ("[budget]\naccuracy = 0.5", "budget.accuracy"),
        ("[budget]\naccuracy_drop = 0.5", "budget.accuracy_drop"),
    ],
)
def test_figures_of_labels_need_labels(tmp_path: Path, more: str, key: str) -> None:
    project(tmp_path, more)
    (mistake,) = mistakes(tmp_path)
    assert f"{key}: needs labels, and the dataset street has none" in mistake


@pytest.mark.parametrize(
    ("classes", "told"),
    [(b"cat\ndog\ncat\n", "has the name 'cat' twice"), (b"\xff\xfe", "is not UTF-8 text")],
)
def test_classes_that_cannot_be_matched_with_labels_are_refused(
    tmp_path: Path, classes: bytes, told: str
) -> None:
    project(tmp_path, "", labels((0, "dog"), (1, "cat")))
    (tmp_path / "models/net/classes.txt").write_bytes(classes)
    (mistake,) = mistakes(tmp_path)
    assert f"models/net/model.toml:3: classes: {tmp_path}/models/net/classes.txt {told}".replace(
        f"{tmp_path}/", ""
    ) in mistake.replace(f"{tmp_path}/", "")


def test_labels_without_any_keypoint_do_not_measure_keypoints(tmp_path: Path) -> None:
    project(tmp_path, 'task = "pose"', labels((0, "dog"), (1, "cat")))
    (mistake,) = mistakes(tmp_path)
    assert mistake.startswith("datasets/street/labels.json: no object has keypoints")
