from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pytest
from small_networks import exported

from cvimake.project.draft import CHOOSE_FORMAT, Draft, Measured, Samples, declaration
from cvimake.project.model import Model
from cvimake.project.networks.families import recognise
from cvimake.project.networks.findings import Findings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STREET = Samples(dataset="street", count=250, image="../../datasets/street/0.jpg", known=("street",))


def found(name: str) -> Findings:
    findings = recognise(exported(name))
    assert findings is not None
    return findings


def values_of(text: str) -> dict[str, Any]:
    values: dict[str, Any] = tomllib.loads(text)
    return values


def read(draft: Draft) -> Model:
    return Model.model_validate(values_of(declaration(draft)))


def test_a_recognised_network_needs_nothing_more() -> None:
    model = read(Draft(source="net.onnx", classes="classes.txt", samples=STREET, findings=found("yolo11n")))
    assert model.description == "YOLO11, detect, 80 classes"
    assert model.classes == "classes.txt"
    assert model.calibration.input_num == 100
    assert model.input.keep_aspect_ratio
    assert model.input.pad_value == 114
    assert model.deploy.customization_format == "RGB_PACKED"


def test_a_network_that_works_on_the_camera_has_to_go_on_working() -> None:
    findings = found("yolo11n")
    assert read(Draft(source="net.onnx", samples=STREET, findings=findings)).budget.works_on_camera
    blind = dataclasses.replace(findings, works="no")
    assert read(Draft(source="net.onnx", samples=STREET, findings=blind)).budget.works_on_camera is None


def test_boxes_that_the_camera_wants_as_fractions_are_declared_so() -> None:
    findings = dataclasses.replace(found("yolo11n"), family="YOLOv5", outputs=("y",), relative_boxes=True)
    draft = Draft(source="net.onnx", samples=STREET, findings=findings)
    assert read(draft).output.relative_boxes
    assert "divides every score by 100" in declaration(draft).replace("\n# ", " ")
    assert not read(Draft(source="net.onnx", samples=STREET, findings=found("yolo11n"))).output.relative_boxes


def test_the_order_of_several_outputs_counts() -> None:
    text = declaration(Draft(source="net.onnx", samples=STREET, findings=found("yolov8n")))
    assert "# With these, in this order, the camera takes it for YOLO11.\n[output]\n" in text


def test_a_mixed_variant_whose_search_would_fail_is_only_proposed() -> None:
    draft = Draft(source="net.onnx", samples=STREET, findings=found("yolo11n-classify"), attends=True)
    assert set(read(draft).variant) == {"f16", "int8"}
    assert "# [variant.mix]\n" in declaration(draft)


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("yolo11n", "The layers that only the scores need stay float"),
        ("yolo26n", "The layers that only the scores need stay float"),
        ("yolo11n-segment", "INT8 has one scale for both. Here the layers"),
        ("yolo26n-pose", "INT8 has one scale for both. Here the layers"),
        ("yolov8n-pose", "INT8 has one scale for both. Here the layers"),
    ],
)
def test_a_mixed_variant_with_attention_or_decoded_boxes_has_a_table_by_rule(name: str, comment: str) -> None:
    draft = Draft(
        source="net.onnx", samples=STREET, findings=found(name), attends=not name.startswith("yolov8")
    )
    assert read(draft).variant["mix"].qtable == "float_layers"
    assert comment in declaration(draft).replace("\n# ", " ")


def test_layers_are_searched_for_without_attention() -> None:
    draft = Draft(source="net.onnx", samples=STREET, findings=found("yolov8n"))
    assert not isinstance(read(draft).variant["mix"].qtable, str)


def test_a_classifier_gets_whole_pictures_too() -> None:
    model = read(Draft(source="net.onnx", samples=STREET, findings=found("yolo11n-classify")))
    assert (model.input.keep_aspect_ratio, model.input.pad_value) == (True, 114)
    assert model.description.endswith("classify, 5 classes")


@pytest.mark.parametrize(
    ("width", "aligned", "comment"),
    [
        (640, None, ""),
        (320, None, ""),
        (416, True, "# The camera's rows have gaps at this width"),
        (224, None, "# The picture is sheared on the camera: use a width that is a multiple of 64"),
    ],
)
def test_rows_are_aligned_where_the_cameras_have_gaps(width: int, aligned: bool | None, comment: str) -> None:  # noqa: FBT001
    findings = found("yolo11n")
    findings = dataclasses.replace(findings, image=dataclasses.replace(findings.image, width=width))
    draft = Draft(source="net.onnx", samples=STREET, findings=findings)
    assert read(draft).deploy.aligned_input is aligned
    assert comment in declaration(draft)


def test_coordinates_and_scores_with_one_scale_are_warned_of() -> None:
    text = declaration(Draft(source="net.onnx", samples=STREET, findings=found("yolo11n-segment")))
    assert "INT8 has one scale for both" in text


def test_guesses_are_listed_at_the_top_of_the_draft() -> None:
    text = declaration(Draft(source="net.onnx", samples=STREET, findings=found("yolo26n-four-classes")))
    head = text[: text.index("description")]
    assert "# Not sure:\n# - it was exported without its end-to-end branch" in head
    assert all(len(line) <= 110 for line in text.splitlines())


@pytest.mark.parametrize("name", ['a"b\\c', "line\nbreak", "tab\t", "delete\x7f", "null\x00", "ünï"])
def test_any_name_is_written_and_read_back(name: str) -> None:
    candidates = [(name, (1, None, 3), f"because {name}")]
    text = declaration(Draft(source=name, samples=STREET, candidates=candidates, remarks=[f"see {name}"]))
    values = values_of(text)
    assert values["source"] == name
    assert set(values) == {
        "description",
        "source",
        "input",
        "output",
        "verify",
        "calibration",
        "deploy",
        "variant",
    }


def test_a_network_that_is_not_recognised_waits_for_its_reader() -> None:
    draft = Draft(source="net.onnx", samples=STREET, inputs=[("x", (1, 3, None, None))])
    values = values_of(declaration(draft))
    assert values["input"] == {"pixel_format": CHOOSE_FORMAT}
    assert "# x is [1, 3, ?, ?]" in declaration(draft)


def test_caffe_reads_bgr() -> None:
    draft = Draft(source="n.prototxt", weights="n.caffemodel", samples=STREET, inputs=[("x", (1, 3, 12, 12))])
    model = read(draft)
    assert (model.weights, model.input.pixel_format, model.input.shapes) == (
        "n.caffemodel",
        "bgr",
        [[1, 3, 12, 12]],
    )


def test_the_images_of_the_training_are_measured_for_the_task_of_the_network() -> None:
    measured = Measured(dataset="net_val", keypoints=5)
    draft = Draft(source="best.pt", samples=STREET, findings=found("yolo11n"), measured=measured)
    accuracy = read(draft).accuracy
    assert (accuracy.dataset, accuracy.task, accuracy.keypoints) == ("net_val", "detect", None)
    # Some of them are calibrated with.
    assert accuracy.calibrated_too
    pose = dataclasses.replace(found("yolo11n"), task="pose")
    accuracy = read(dataclasses.replace(draft, findings=pose)).accuracy
    assert (accuracy.task, accuracy.keypoints) == ("pose", 5)


def test_nothing_is_measured_of_an_unknown_network_or_of_a_classifier() -> None:
    measured = Measured(dataset="net_val")
    unknown = Draft(source="best.pt", samples=STREET, measured=measured)
    assert "[accuracy]" not in declaration(unknown)
    classifier = dataclasses.replace(found("yolo11n"), task="classify")
    assert read(dataclasses.replace(unknown, findings=classifier)).accuracy.dataset is None
