"""What the camera finds with a cvimodel on the simulator, by a decoder of its own, against the float network.

The float network runs in onnxruntime on the same pixels. Where it decodes its boxes itself, those are taken.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from camera import Box, Output, find, kind, suppressed
from lab import PROBES, ROOT, Lab
from numpy.typing import NDArray
from PIL import Image
from projects import Project, copy_shapes
from test_shared_models import SHARED

from cvimake.core.action import FileKind, Input, Limits
from cvimake.execution.image.making import ToolchainImage

SIZE = 256
IMAGES = sorted((ROOT / "datasets" / "shapes" / "test").glob("*.jpg"))[:4]
NEEDS_SHARED = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared models are not here")
# What is surer than that must be found by both: near the threshold of 0.25 it would be chance.
SURE = 0.5


@dataclass(frozen=True)
class Built:
    """A project with the models that find shapes."""

    project: Project
    new_lab: Callable[[Path], Lab]

    def outputs(self, model: str, variant: str, folder: Path) -> list[list[Output]]:
        """The outputs of a cvimodel for each image."""
        lab = self.new_lab(folder)
        np.savez(lab.add_input("pixels.npz", b""), images=pixels())
        cvimodel = self.project.folder / "build" / model / f"{model}_cv181x_{variant}.cvimodel"
        action = lab.action(
            PROBES / "simulate.py",
            outputs={"out.json": FileKind.JSON, "outputs.npz": FileKind.NPZ},
            limits=Limits(seconds=600.0),
        )
        inputs = (*action.inputs, Input(name="net.cvimodel", path=cvimodel))
        described = lab.run(dataclasses.replace(action, inputs=inputs))
        with np.load(folder / "out" / "outputs.npz") as arrays:
            return [
                [
                    Output(arrays[f"{number}_{place}"], tensor["scale"])
                    for place, tensor in enumerate(described)
                ]
                for number in range(len(IMAGES))
            ]


def pixels() -> NDArray[np.uint8]:
    """The images, which are as large as the input: a letterbox changes nothing."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in IMAGES])


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, toolchain_image: ToolchainImage, new_lab: Callable[[Path], Lab]
) -> Built:
    assert toolchain_image.id
    project = Project.make(tmp_path_factory.mktemp("finds"), "shapes", "")
    shutil.rmtree(project.model)
    copy_shapes(project.folder)
    if SHARED.is_dir():
        drafted = project.doit("init", str(SHARED / "models" / "yolo11n_shapes.onnx"))
        assert drafted.returncode == 0, drafted.stderr
        assert "the camera takes it for YOLO11, and that works" in drafted.stdout
    for declaration in project.folder.glob("models/*/model.toml"):
        text = declaration.read_text(encoding="utf-8").replace("input_num = 100", "input_num = 8")
        # A variant here has INT8 outputs, which works badly.
        declaration.write_text(text.replace("works_on_camera = true", ""), encoding="utf-8")
    with (project.folder / "models/shapes/model.toml").open("a", encoding="utf-8") as file:
        file.write('[variant.whole]\nquantize = "INT8"\naligned_input = true\nquant_output = true\n')
    names = [path.parent.name for path in sorted(project.folder.glob("models/*/model.toml"))]
    places = [f"build/{name}/{name}_cv181x_int8.cvimodel" for name in names]
    return Built(project.built(*places, "build/shapes/shapes_cv181x_whole.cvimodel"), new_lab)


def of_floats(source: Path) -> list[list[Box]]:
    """What the float network finds in each image."""
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    found = []
    for image in pixels():
        outputs = session.run(None, {given.name: image.transpose(2, 0, 1)[None].astype(np.float32) / 255})
        decoded = len(outputs) == 1
        found.append(of_decoded(outputs[0]) if decoded else find([Output(head) for head in outputs], SIZE))
    return found


def of_decoded(output: NDArray[np.float32]) -> list[Box]:
    """The boxes that a network decodes itself: middle and size in pixels, and a score for each class."""
    columns = output[0].T.astype(np.float64)
    labels = columns[:, 4:].argmax(1)
    boxes = [
        Box(
            x=column[0] / SIZE,
            y=column[1] / SIZE,
            width=column[2] / SIZE,
            height=column[3] / SIZE,
            score=column[4 + label],
            label=int(label),
        )
        for column, label in zip(columns, labels, strict=True)
        if column[4 + label] > 0.25
    ]
    return suppressed(boxes)


def missed(boxes: Sequence[Box], others: Sequence[Box], least: float) -> list[Box]:
    """The sure ones among some boxes that have no counterpart of the same class among others."""
    return [
        box
        for box in boxes
        if box.score > SURE
        and not any(other.label == box.label and other.overlap(box) > least for other in others)
    ]


@pytest.mark.parametrize(
    ("model", "variant", "overlap"),
    [
        pytest.param("shapes", "int8", 0.8),
        # The firmware exchanges the scales of boxes and scores.
        pytest.param("shapes", "whole", 0.7),
        pytest.param("yolo11n_shapes", "int8", 0.6, marks=NEEDS_SHARED),
    ],
)
def test_the_camera_finds_what_the_float_network_finds(
    built: Built, tmp_path: Path, model: str, variant: str, overlap: float
) -> None:
    expected = of_floats(next((built.project.folder / "models" / model).glob("*.onnx")))
    assert sum(box.score > SURE for boxes in expected for box in boxes) >= len(IMAGES)
    images = built.outputs(model, variant, tmp_path)
    for outputs, boxes in zip(images, expected, strict=True):
        assert kind(outputs) == "YOLO11"
        found = find(outputs, SIZE)
        assert missed(boxes, found, overlap) == []
        assert missed(found, boxes, overlap) == []
    # In the order of the graph, boxes before scores, the same outputs are those of a YOLOv8.
    grouped = [*images[0][::2], *images[0][1::2]]
    assert (kind(grouped), find(grouped, SIZE)) == ("YOLOv8", [])


def test_the_same_detections_are_found_in_the_forms_of_other_kinds() -> None:
    session = onnxruntime.InferenceSession(
        ROOT / "models/shapes/shapes.onnx", providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    image = pixels()[-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    heads = [Output(head) for head in session.run(None, {given.name: image})]
    expected = find(heads, SIZE)
    assert len(expected) > 5

    distances = [Output(mean_distances(head.values)) for head in heads[::2]]
    # With four classes nobody could tell boxes from scores: here is a fifth, which is never found.
    scores = [
        Output(np.pad(head.values, ((0, 0), (0, 1), (0, 0), (0, 0)), constant_values=-9))
        for head in heads[1::2]
    ]
    yolo26 = [output for pair in zip(distances, scores, strict=True) for output in pair]
    assert kind(yolo26) == "YOLO26"
    assert missed(expected, find(yolo26, SIZE), 0.999) == missed(find(yolo26, SIZE), expected, 0.999) == []

    rows = np.array(
        [[[box.x, box.y, box.width, box.height, box.score, *np.eye(4)[box.label]] for box in expected]]
    )
    found = find([Output(rows)], SIZE)
    assert missed(expected, found, 0.9) == missed(found, expected, 0.9) == []
    rows[..., :4] *= SIZE
    assert find([Output(rows)], SIZE) == []
    rows[..., 4] *= 100
    found = find([Output(rows)], SIZE)
    assert missed(expected, found, 0.9) == missed(found, expected, 0.9) == []


def mean_distances(head: NDArray[Any]) -> NDArray[Any]:
    """The distances that the distributions of a box head stand for."""
    bins = head.reshape(1, 4, 16, *head.shape[2:])
    powers = np.exp(bins - bins.max(2, keepdims=True))
    return np.asarray(np.einsum("nsbhw,b->nshw", powers / powers.sum(2, keepdims=True), np.arange(16)))
