from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from decoders.comparison import Comparison, sums_of

from cvimake.toolchain.container.evaluation import figures
from cvimake.toolchain.container.evaluation.figures import Figures

OPTIONS: dict[str, Any] = {
    "images": [{"id": 0, "name": "a.jpg"}, {"id": 1, "name": "b.jpg"}],
    "classes": ["cat"],
    "task": "detect",
    "metric": None,
}
LABELS = {
    "images": [{"id": 0, "file_name": "a.jpg", "width": 99, "height": 99}, {"id": 1, "file_name": "b.jpg"}],
    "categories": [{"id": 0, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 0, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0}
    ],
}


def cat(score: float = 0.9, image: int = 0, box: tuple[float, ...] = (10, 10, 40, 40)) -> dict[str, Any]:
    return {"image_id": image, "category_id": 0, "bbox": list(box), "score": score}


def test_a_network_that_finds_exactly_the_labels_has_an_accuracy_of_1() -> None:
    figure, details = Figures(OPTIONS, LABELS, "YOLO11", 0.25).accuracy([cat()])
    assert figure is not None
    assert (figure["metric"], figure["value"]) == ("mAP50-95", 1.0)
    assert details["boxes"]["classes"]["cat"]["map50"] == 1.0


def test_a_network_that_finds_nothing_has_an_accuracy_of_0() -> None:
    figure, _ = Figures({**OPTIONS, "metric": "mAP50"}, LABELS, "YOLO11", 0.25).accuracy([])
    assert figure is not None
    assert (figure["metric"], figure["value"]) == ("mAP50", 0.0)


def test_without_labels_there_is_no_accuracy_but_an_agreement() -> None:
    of_images = Figures(OPTIONS, None, "YOLO11", 0.25)
    assert of_images.accuracy([cat()]) == (None, {})
    figure, _ = of_images.agreement([cat(), cat(image=1)], [cat(), cat(box=(60, 60, 20, 20))])
    assert (figure["metric"], figure["value"]) == ("same detections", 0.5)


@pytest.mark.parametrize("kind", ["YOLO11", "classifier"])
def test_agreement_as_the_metric_leaves_no_figure_of_the_labels(kind: str) -> None:
    declared = Figures({**OPTIONS, "metric": "agreement"}, LABELS, kind, 0.25)
    figure, details = declared.accuracy([cat()])
    assert figure is None
    assert details
    assert declared.why_no_figure == 'metric = "agreement" is declared'


def test_the_reason_why_there_is_no_figure() -> None:
    assert Figures(OPTIONS, None, "YOLO11", 0.25).why_no_figure == "the images have no labels"
    assert Figures(OPTIONS, LABELS, "YOLO11", 0.25).why_no_figure == ""


def test_a_network_with_the_outputs_of_a_yolo26_pose_is_told_that_it_may_be_one() -> None:
    told = "the camera takes it for no kind of model"
    assert figures.no_kind(2) == told
    assert figures.no_kind(9).startswith(f"{told}: YOLO26-pose and YOLO26-seg are kinds only where")


def test_a_number_of_keypoints_that_is_not_known_is_not_compared() -> None:
    labels = {**LABELS, "annotations": [LABELS["annotations"][0] | {"keypoints": [1, 2, 2]}]}
    assert Figures({**OPTIONS, "task": "pose"}, labels, "YOLO11-pose", 0.25).misfit(None) == ""


def test_classes_without_a_name_are_counted_by_their_number() -> None:
    figure, details = Figures({**OPTIONS, "classes": []}, None, "YOLO11", 0.25).agreement([cat()], [cat()])
    assert figure["value"] == 1.0
    assert list(details["boxes"]["classes"]) == ["0"]


def test_a_classifier_has_top1() -> None:
    labels = {**LABELS, "annotations": [{"id": 1, "image_id": 0, "category_id": 0}]}
    figure, _ = Figures({**OPTIONS, "task": "classify"}, labels, "classifier", 0.5).accuracy([cat()])
    assert figure is not None
    assert (figure["metric"], figure["value"]) == ("top1", 1.0)


def test_outputs_that_nobody_decodes_are_compared_and_the_worst_image_is_named() -> None:
    comparison = Comparison()
    one = np.ones((1, 2, 4, 4), np.float32)
    comparison.add(sums_of(one, one))
    comparison.add(sums_of(one, one * np.array([1, -1], np.float32)[None, :, None, None]))
    (found,) = figures.of_outputs([comparison], ["a.jpg", "b.jpg"])
    assert (found["worst_image"], found["worst_channel"], found["cosine"]) == ("b.jpg", 1, 0.5)
    assert figures.agreement_of_outputs([found]) == {"metric": "cosine", "value": 0.5, "standard_error": None}


def test_numbers_that_json_does_not_have_become_null() -> None:
    assert figures.rounded({"a": [float("inf"), 0.12345678], "b": "x"}) == {"a": [None, 0.123457], "b": "x"}


@pytest.mark.parametrize(
    ("task", "kind", "points", "told"),
    [
        ("segment", "YOLO26", 0, 'task = "segment" in [accuracy] needs a network of the kind YOLO11-seg'),
        ("pose", "YOLO11-seg", 0, 'for the kind YOLO11-seg: declare task = "segment"'),
        ("classify", "YOLOv8", 0, 'for the kind YOLOv8: declare task = "detect"'),
        ("detect", "classifier", 0, "needs a network that finds boxes, but the camera takes this one"),
        ("pose", "YOLO11-pose", 17, "2 keypoints for each object, but the network finds 17"),
    ],
)
def test_a_network_that_does_not_find_what_the_labels_have_is_refused(
    task: str, kind: str, points: int, told: str
) -> None:
    annotation = LABELS["annotations"][0] | ({"keypoints": [1, 2, 2] * 2} if task == "pose" else {})
    labels = {**LABELS, "annotations": [annotation]}
    assert told in Figures({**OPTIONS, "task": task}, labels, kind, 0.25).misfit(points)


@pytest.mark.parametrize(
    ("task", "kind", "points"),
    [
        ("detect", "FOMO", 0),
        ("detect", "YOLO11-pose", 17),
        ("detect", "YOLO11-seg", 0),
        ("detect", "", 0),
        ("classify", "", 0),
        ("classify", "classifier", 0),
        ("segment", "YOLO11-seg", 0),
        ("pose", "YOLO11-pose", 17),
    ],
)
def test_a_network_that_finds_what_the_labels_have_is_measured(task: str, kind: str, points: int) -> None:
    assert Figures({**OPTIONS, "task": task}, LABELS, kind, 0.25).misfit(points) == ""


def test_without_labels_no_task_is_refused() -> None:
    assert Figures({**OPTIONS, "task": "pose"}, None, "YOLO11", 0.25).misfit(0) == ""
