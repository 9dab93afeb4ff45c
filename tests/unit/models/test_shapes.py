from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from cvimake.toolchain.container.decoders import camera_view, field_view
from cvimake.toolchain.container.decoders.outputs import Output, Size, Thresholds

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes"
DATASET = ROOT / "datasets" / "shapes"
HEADS = ["box_8", "class_8", "box_16", "class_16", "box_32", "class_32"]


def imported(folder: Path, name: str) -> Iterator[ModuleType]:
    """A script's module, found as the script itself would find it, and forgotten again."""
    others = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for module in set(sys.modules) - others:
            if Path(getattr(sys.modules[module], "__file__", None) or "").parent == folder:
                del sys.modules[module]


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    yield from imported(DATASET, "generate")


@pytest.fixture(scope="module")
def detect() -> Iterator[ModuleType]:
    yield from imported(MODEL, "detect")


@pytest.fixture(scope="module")
def measure() -> Iterator[ModuleType]:
    yield from imported(MODEL, "measure")


@pytest.fixture(scope="module")
def outputs(measure: ModuleType, labels: dict[str, Any]) -> list[list[Output]]:
    """The outputs of the float network for each test image."""
    predict = measure.predictor(MODEL / "shapes.onnx")
    images = [pixels(DATASET / image["file_name"]) for image in labels["images"]]
    return [[Output(values) for values in predict(measure.as_input(image))] for image in images]


@pytest.fixture(scope="module")
def labels() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATASET / "test.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    return onnx.load(MODEL / "shapes.onnx")


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


# The dataset.


def test_a_scene_is_the_same_every_time_and_no_other(generate: ModuleType) -> None:
    one, again, other = (generate.scene("test", index) for index in (3, 3, 4))
    assert one.jpeg == again.jpeg
    assert np.array_equal(one.boxes, again.boxes)
    assert one.jpeg != other.jpeg
    assert one.jpeg != generate.scene("calibration", 3).jpeg
    assert one.jpeg != generate.scene("training", 3).jpeg


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_the_committed_images_are_the_generated_ones(
    generate: ModuleType, split: str, tmp_path: Path
) -> None:
    for index in (0, 1, 50, 99):
        (tmp_path / "again.jpg").write_bytes(generate.scene(split, index).jpeg)
        committed, again = pixels(DATASET / split / f"{index:04}.jpg"), pixels(tmp_path / "again.jpg")
        # Another processor's sine or another Pillow's JPEG may round a pixel otherwise.
        assert np.abs(committed.astype(int) - again).mean() < 0.5


def test_the_committed_labels_are_the_generated_ones(generate: ModuleType, labels: dict[str, Any]) -> None:
    drawn = [generate.scene("test", index) for index in range(8)]
    again = generate.labels(drawn)
    assert again["categories"] == labels["categories"]
    assert again["images"] == labels["images"][:8]
    assert again["annotations"] == labels["annotations"][: len(again["annotations"])]


def test_there_are_enough_images_and_they_are_small_and_rgb() -> None:
    calibration, test = (sorted((DATASET / split).iterdir()) for split in ("calibration", "test"))
    assert len(calibration) == 100
    assert len(test) >= 200
    assert {pixels(path).shape for path in (*calibration, *test)} == {(256, 256, 3)}
    files = [path for path in DATASET.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 3_000_000


def test_no_calibration_image_is_in_the_test_split() -> None:
    calibration, test = (
        {hashlib.sha256(pixels(path).tobytes()).digest() for path in (DATASET / split).iterdir()}
        for split in ("calibration", "test")
    )
    assert len(calibration) == 100
    assert not calibration & test


def test_the_labels_are_in_the_format_of_coco(labels: dict[str, Any]) -> None:
    images = {image["id"]: image for image in labels["images"]}
    assert len(images) == len(labels["images"])
    assert {image["file_name"] for image in images.values()} == {
        path.relative_to(DATASET).as_posix() for path in (DATASET / "test").iterdir()
    }
    categories = {category["id"] for category in labels["categories"]}
    assert len(categories) >= 3
    identities = [annotation["id"] for annotation in labels["annotations"]]
    assert len(set(identities)) == len(identities)
    assert min(identities) > 0
    for annotation in labels["annotations"]:
        image = images[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        assert annotation["category_id"] in categories
        assert annotation["iscrowd"] == 0
        assert 0 <= left < left + width <= image["width"]
        assert 0 <= top < top + height <= image["height"]
        assert 0 < annotation["area"] <= width * height


def test_all_classes_are_about_as_frequent(labels: dict[str, Any]) -> None:
    classes = [annotation["category_id"] for annotation in labels["annotations"]]
    assert min(np.bincount(classes)) > 0.2 * len(classes)


def test_about_a_fifth_of_the_objects_overlap_others(labels: dict[str, Any]) -> None:
    overlapping = set()
    for one, other in combinations(labels["annotations"], 2):
        (left, top, width, height), (left2, top2, width2, height2) = one["bbox"], other["bbox"]
        beside = left + width <= left2 or left2 + width2 <= left
        if one["image_id"] == other["image_id"] and not beside:
            if top + height <= top2 or top2 + height2 <= top:
                continue
            overlapping |= {one["id"], other["id"]}
    assert 0.15 <= len(overlapping) / len(labels["annotations"]) <= 0.3


# The network.


def test_the_network_is_small_and_one_that_the_toolchain_reads(network: onnx.ModelProto) -> None:
    assert (MODEL / "shapes.onnx").stat().st_size <= 1_000_000
    assert network.ir_version == 8
    assert [(opset.domain, opset.version) for opset in network.opset_import] == [("", 17)]
    onnx.checker.check_model(network, full_check=True)
    assert {node.op_type for node in network.graph.node} == {"Conv", "Relu", "Add", "Resize"}


def test_its_heads_are_those_that_the_camera_takes_for_yolo11(network: onnx.ModelProto) -> None:
    shapes = [[size.dim_value for size in value.type.tensor_type.shape.dim] for value in network.graph.output]
    classes = len((MODEL / "classes.txt").read_text(encoding="utf-8").split())
    assert [value.name for value in network.graph.output] == HEADS
    assert shapes == [[1, channels, grid, grid] for grid in (32, 16, 8) for channels in (64, classes)]


def test_its_heads_are_the_last_nodes_in_that_order(network: onnx.ModelProto) -> None:
    assert [node.name for node in network.graph.node][-6:] == HEADS


def test_its_weights_are_finite_floats(network: onnx.ModelProto) -> None:
    for tensor in network.graph.initializer:
        values = numpy_helper.to_array(tensor)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_the_classes_are_called_as_in_the_labels(labels: dict[str, Any]) -> None:
    names = (MODEL / "classes.txt").read_text(encoding="utf-8").split()
    assert names == [category["name"] for category in labels["categories"]]


def test_the_committed_network_is_as_good_as_its_readme_says() -> None:
    result = subprocess.run(
        [sys.executable, MODEL / "measure.py"], capture_output=True, text=True, check=True, timeout=120
    )
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line.split()}
    at_half, over_all = map(float, rows["all"])
    assert at_half >= 0.95
    assert over_all >= 0.75
    readme = (MODEL / "README.md").read_text(encoding="utf-8")
    assert f"| **all** | **{at_half:.4f}** | **{over_all:.4f}** |" in readme


# Measured on a PC with the C++ code of the camera's firmware; docs/camera.md has the whole table.
@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(0.05, 0.45), [0.9361, 0.8468]),
        (Thresholds(0.25, 0.45), [0.9316, 0.8457]),
        (Thresholds(0.5, 0.4), [0.9173, 0.8364]),
    ],
)
def test_the_camera_view_is_as_good_as_the_firmwares_own_code(
    measure: ModuleType,
    labels: dict[str, Any],
    outputs: list[list[Output]],
    thresholds: Thresholds,
    expected: list[float],
) -> None:
    found = [camera_view.decode("YOLO11", one, Size(256, 256), thresholds) for one in outputs]
    precision = measure.average_precision(labels, found)
    assert [precision.at_50, precision.at_50_to_95] == pytest.approx(expected, abs=2e-4)


def test_the_field_view_is_as_good_as_the_readme_says(
    measure: ModuleType, labels: dict[str, Any], outputs: list[list[Output]]
) -> None:
    found = [field_view.decode("YOLO11", one, Size(256, 256)) for one in outputs]
    precision = measure.average_precision(labels, found)
    readme = (MODEL / "README.md").read_text(encoding="utf-8")
    assert f"| **all** | **{precision.at_50:.4f}** | **{precision.at_50_to_95:.4f}** |" in readme


# From heads to boxes.


def heads(*cells: tuple[int, int, int, int, float, tuple[int, int, int, int]]) -> list[NDArray[np.float32]]:
    """Silent heads but for cells: stride, row, column, class, logit, and bins of the four distances."""
    made = {}
    for stride in (8, 16, 32):
        grid = 256 // stride
        made[stride] = np.zeros((1, 64, grid, grid), np.float32), np.full((1, 4, grid, grid), -20, np.float32)
    for stride, row, column, number, logit, bins in cells:
        box, classes = made[stride]
        classes[0, number, row, column] = logit
        for side, distance in enumerate(bins):
            box[0, side * 16 + distance, row, column] = 50
    return [head for pair in made.values() for head in pair]


def test_a_box_is_as_far_from_its_cells_middle_as_the_distributions_say(detect: ModuleType) -> None:
    found = detect.detect(heads((16, 4, 7, 2, 3.0, (1, 2, 3, 4))))
    assert found.classes.tolist() == [2]
    assert found.scores == pytest.approx([1 / (1 + np.exp(-3.0))], rel=1e-5)
    assert found.boxes == pytest.approx(np.array([[120 - 16, 72 - 32, 120 + 48, 72 + 64]]), abs=1e-3)


def test_a_distance_between_two_bins_is_their_mean(detect: ModuleType) -> None:
    made = heads((8, 0, 10, 0, 3.0, (2, 0, 2, 2)))
    made[0][0, 3, 0, 10] = 50
    boxes, _ = detect.decode(made)
    assert boxes[10] == pytest.approx([84 - 20, 4, 84 + 16, 4 + 16], abs=1e-3)


def test_overlapping_boxes_keep_the_best_of_each_class(detect: ModuleType) -> None:
    # Of 64x64 pixels each: the first two at one place, the third 8 pixels beside them.
    box = (2, 2, 2, 2)
    made = heads((16, 8, 8, 0, 1.0, box), (16, 8, 8, 1, 3.0, box), (32, 4, 4, 0, 2.0, (1, 1, 1, 1)))
    assert detect.detect(made, iou_threshold=0.7).classes.tolist() == [1, 0, 0]
    assert detect.detect(made, iou_threshold=0.6).classes.tolist() == [1, 0]


def test_nothing_is_found_where_nothing_is(detect: ModuleType) -> None:
    found = detect.detect(heads())
    assert found.boxes.shape == (0, 4)
    assert len(found.scores) == len(found.classes) == 0


def test_heads_of_another_layout_are_refused(detect: ModuleType) -> None:
    with pytest.raises(ValueError, match="4 heads instead of 6"):
        detect.detect(heads()[:4])
    with pytest.raises(ValueError, match="at stride 8"):
        detect.detect([heads()[index] for index in (0, 2, 4, 1, 3, 5)])
