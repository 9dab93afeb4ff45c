"""The accuracy of networks of every kind that the camera knows, where it is known what they have to find."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import projects
import pytest
import squares
from lab import ROOT

from cvimake.execution.image.making import ToolchainImage
from cvimake.pipeline.preview import Preview

DECLARATION = """
source = "net.onnx"
classes = "classes.txt"
[input]
shapes = [[1, 3, 64, 64]]
mean = [0.0, 0.0, 0.0]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[verify]
input = "../../datasets/{image}"
tolerance = [0.9, 0.5]
[calibration]
dataset = "{dataset}"
[accuracy]
dataset = "{dataset}"
calibrated_too = true
{options}
[deploy]
tolerance = [0.5, -1.0]
fuse_preprocess = true
customization_format = "RGB_PACKED"
[variant.bf16]
quantize = "BF16"
"""
# Its outputs are whole numbers, which the firmware reads of some kinds alone.
WHOLE = '[variant.whole]\nquantize = "INT8"\nquant_input = true\nquant_output = true\n'
OPTIONS = {
    "classifier": 'task = "classify"',
    "YOLO11-pose": 'task = "pose"\nkeypoints = 2',
    "YOLO11-seg": 'task = "segment"',
}
PART = {"YOLO11-pose": "keypoints", "YOLO11-seg": "masks"}
NEVER = {"FOMO": "the camera's node crashes", "YOLOv8": "reads the boxes from the scores"}
UNREADABLE = "the firmware cannot read int8 outputs of this kind: fp32"
WHOLE_REASONS = {"YOLO11-pose": UNREADABLE, "YOLO11-seg": UNREADABLE, "YOLO26": ""}

UNDECODABLE = {
    "three_sides": "four box values are needed for each score, and there are [1, 4, 4, 9]",
    "nine": "the camera takes it for no kind of model: YOLO26-pose and YOLO26-seg are kinds only where",
}


@dataclass(frozen=True)
class Models:
    """A project with a model of each kind."""

    folder: Path

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return projects.doit(self.folder, "run", "-n", "2", *arguments)

    def declare(self, kind: str, options: str) -> None:
        """Declares the model of a kind with these options of its accuracy."""
        image = "colours/red/255.png" if kind == "classifier" else "squares/0.png"
        text = DECLARATION.format(dataset=image.partition("/")[0], image=image, options=options)
        path = self.folder / "models" / model(kind) / "model.toml"
        path.write_text(text + (WHOLE if kind in WHOLE_REASONS else ""), encoding="utf-8")

    def read(self, kind: str, suffix: str) -> Any:  # noqa: ANN401 - whatever the file holds
        path = self.folder / "build" / model(kind) / f"{model(kind)}_{suffix}.json"
        return json.loads(path.read_text(encoding="utf-8"))


def model(kind: str) -> str:
    return kind.lower().replace("-", "_")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage) -> Models:
    assert toolchain_image.id
    made = Models(tmp_path_factory.mktemp("kinds"))
    (made.folder / "dodo.py").write_bytes((ROOT / "dodo.py").read_bytes())
    squares.save_squares(made.folder / "datasets" / "squares")
    squares.save_colours(made.folder / "datasets" / "colours")
    for kind in (*squares.NETWORKS, *squares.UNDECODABLE):
        folder = made.folder / "models" / model(kind)
        folder.mkdir(parents=True)
        squares.save_network(folder / "net.onnx", kind)
        classes = squares.CLASSES[:1] if kind == "YOLO11-pose" else squares.CLASSES
        (folder / "classes.txt").write_text("\n".join(classes), encoding="utf-8")
        made.declare(kind, OPTIONS.get(kind, ""))
    result = made.doit()
    assert result.returncode == 0, result.stdout + result.stderr
    for kind, reason in UNDECODABLE.items():
        assert f"warning: {kind}:float_accuracy: the labels are of no use: {reason}" in result.stderr
    return made


@pytest.mark.parametrize("network", ["float", "cv181x_bf16"])
@pytest.mark.parametrize("kind", squares.NETWORKS)
def test_a_network_of_each_kind_finds_every_square(models: Models, kind: str, network: str) -> None:
    measured = models.read(kind, f"{network}_accuracy")
    assert measured["kind"] == kind
    metric = "top1" if kind == "classifier" else "mAP50-95"
    assert (measured["figure"]["metric"], measured["figure"]["value"]) == (metric, 1.0)
    if kind in NEVER:
        assert measured["camera"] is None
        assert NEVER[kind] in measured["camera_reason"]
    else:
        assert measured["camera_reason"] == ""
        assert (measured["camera"]["metric"], measured["camera"]["value"]) == (metric, 1.0)
    if network == "float":
        assert measured["agreement"] is None
    else:
        assert measured["agreement"]["value"] == 1.0


@pytest.mark.parametrize("kind", squares.NETWORKS)
def test_a_class_without_an_object_has_no_figure_of_its_own(models: Models, kind: str) -> None:
    details = models.read(kind, "float_accuracy")["field_details"]
    if kind == "classifier":
        assert details["classes"]["blue"] == {"images": 0, "top1": None}
        return
    of_classes = details[PART.get(kind, "boxes")]["classes"]
    assert of_classes["red"]["map50_95"] == 1.0
    if kind != "YOLO11-pose":
        assert of_classes["blue"] == {"map50": None, "map50_95": None, "objects": 0}


@pytest.mark.parametrize("kind", WHOLE_REASONS)
def test_whole_outputs_are_measured_even_if_the_camera_cannot_read_them(models: Models, kind: str) -> None:
    measured = models.read(kind, "cv181x_whole_accuracy")
    assert measured["kind"] == kind
    assert measured["figure"]["value"] > 0.95
    assert measured["agreement"]["value"] == 1.0
    assert measured["camera_reason"] == WHOLE_REASONS[kind]
    assert (measured["camera"] is None) == bool(WHOLE_REASONS[kind])


@pytest.mark.parametrize("kind", ["classifier", "YOLO11-pose", "YOLO11-seg", "YOLOv8"])
def test_a_preview_shows_what_a_network_of_each_kind_finds(models: Models, kind: str) -> None:
    result = models.doit(f"{model(kind)}:preview")
    assert result.returncode == 0, result.stdout + result.stderr
    shown = Preview.model_validate(models.read(kind, "preview"))
    assert shown.view == ("field" if kind in NEVER else "camera")
    labelled, of_float, of_bf16 = (
        [[(one.name, one.mark) for one in image.columns[column].objects] for image in shown.images]
        for column in range(3)
    )
    assert any(labelled)
    assert list(map(sorted, labelled)) == list(map(sorted, of_float)) == list(map(sorted, of_bf16))
    objects = [one for image in shown.images for one in image.columns[2].objects]
    assert {one.box is None for one in objects} == {kind == "classifier"}
    assert {bool(one.keypoints) for one in objects} == {kind == "YOLO11-pose"}
    assert {bool(one.mask) for one in objects} == {kind == "YOLO11-seg"}
    if WHOLE_REASONS.get(kind):
        assert shown.columns[3].reason == UNREADABLE
        assert {one.mark for image in shown.images for one in image.columns[3].objects} == {"missed"}


@pytest.mark.parametrize(("kind", "reason"), UNDECODABLE.items())
def test_a_network_that_cannot_be_decoded_is_compared_with_the_float_network(
    models: Models, kind: str, reason: str
) -> None:
    for network in ("float", "cv181x_bf16"):
        measured = models.read(kind, f"{network}_accuracy")
        assert measured["kind"] == ("NvidiaDet" if kind == "three_sides" else "")
        assert (measured["figure"], measured["camera"], measured["field_details"]) == (None, None, {})
        assert measured["figure_reason"].startswith(reason)
        assert measured["camera_reason"]
    agreement = models.read(kind, "cv181x_bf16_accuracy")["agreement"]
    assert (agreement["metric"], agreement["value"] > 0.99) == ("cosine", True)


def test_a_float_network_that_is_measured_alone_has_a_line_with_its_figure(models: Models) -> None:
    told = models.doit("yolo26:float_accuracy").stdout
    assert "yolo26: the float network has mAP50-95 1.000" in told
    assert "on 4 images, 1.000 as the camera shows it" in told


def test_agreement_as_the_metric_leaves_out_the_figure_of_the_labels(models: Models) -> None:
    models.declare("YOLO26", 'metric = "agreement"')
    result = models.doit("yolo26:bf16")
    models.declare("YOLO26", "")
    assert result.returncode == 0, result.stdout + result.stderr
    measured = models.read("YOLO26", "cv181x_bf16_accuracy")
    assert (measured["figure"], measured["camera"]) == (None, None)
    assert measured["agreement"]["value"] == 1.0
    assert measured["field_details"]["boxes"]["map50_95"] == 1.0
    assert "mAP" not in result.stdout
    assert "yolo26: agreement with the float network, on 4 images" in result.stdout


def test_a_task_that_does_not_fit_the_network_is_one_clear_error(models: Models) -> None:
    models.declare("YOLO26", 'task = "segment"')
    result = models.doit("yolo26:float_accuracy")
    models.declare("YOLO26", "")
    assert result.returncode == 1
    told = result.stdout + result.stderr
    assert "needs a network of the kind YOLO11-seg, but the camera takes this one for the kind YOLO26" in told
    assert "Traceback" not in told
