from __future__ import annotations

import camera
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cvimake.camera.kinds import KINDS
from cvimake.toolchain.container.decoders import camera_view
from cvimake.toolchain.container.decoders.heads import Cells
from cvimake.toolchain.container.decoders.outputs import (
    Detections,
    Labels,
    Output,
    Size,
    Thresholds,
    UndecodableError,
)

from .drawn_outputs import SIZE, empty, grouped, outputs, put, quantised

USUAL = Thresholds(0.25, 0.45)
# A logit and its sigmoid.
LOGIT, SIGMOID = np.log(3), 0.75


def decode(kind: str, given: list[Output], thresholds: Thresholds = USUAL, size: Size = SIZE) -> Detections:
    found = camera_view.decode(kind, given, size, thresholds)
    assert isinstance(found, Detections)
    return found


def shown(found: Detections) -> list[tuple[list[float], float, int]]:
    """Boxes, scores and classes, rounded."""
    return [
        ([round(float(edge), 3) for edge in box], round(float(score), 3), int(number))
        for box, score, number in zip(found.boxes, found.scores, found.classes, strict=True)
    ]


@pytest.mark.parametrize("kind", ["YOLO11", "YOLO26"])
def test_a_cell_has_one_box_of_its_best_class(kind: str) -> None:
    heads = empty(3, 64 if kind == "YOLO11" else 4)
    # On the grid of 2x2 a cell is 16 pixels wide: the middle of the right lower one is (24, 24).
    put(heads, 1, (1, 1), (1, 1, 0, 0), 0.5, LOGIT, 0.2)
    assert shown(decode(kind, outputs(heads))) == [([8, 8, 24, 24], SIGMOID, 1)]


@pytest.mark.parametrize("kind", ["YOLO11", "YOLO26"])
def test_of_equal_classes_the_later_is_shown(kind: str) -> None:
    heads = empty(3, 64 if kind == "YOLO11" else 4)
    put(heads, 0, (0, 0), (0, 0, 1, 1), LOGIT, LOGIT, 0.1)
    assert decode(kind, outputs(heads)).classes.tolist() == [1]
    whole = [quantised(head, 0.1) for head in heads]
    assert decode(kind, whole).classes.tolist() == [1]


@pytest.mark.parametrize("kind", ["YOLO11", "YOLO26"])
def test_a_score_must_exceed_the_threshold_and_boxes_come_from_left_to_right(kind: str) -> None:
    heads = empty(3, 64 if kind == "YOLO11" else 4)
    put(heads, 0, (0, 3), (0, 0, 1, 1), 0.0, -1.0, -1.0)
    put(heads, 0, (3, 0), (0, 0, 1, 1), 0.1, -1.0, -1.0)
    found = decode(kind, outputs(heads))
    assert found.boxes[:, 0] == pytest.approx([4, 28])
    assert found.scores[0] > found.scores[1] == 0.5
    # The box reaches out of the input, and is not cut.
    assert found.boxes[1] == pytest.approx([28, 4, 36, 12])
    assert len(decode(kind, outputs(heads), Thresholds(0.5, 0.45))) == 1


def test_doubles_are_dropped_over_all_classes_with_middles_as_corners() -> None:
    heads = empty(2, 4)
    # In fractions of the input: 0.3 to 0.7; 0.3 to 0.5, within it; 0.6 to 0.8, across its border.
    put(heads, 2, (0, 0), (0.2, 0.2, 0.2, 0.2), 2.0, -9)
    put(heads, 0, (1, 1), (0.3, 0.3, 0.5, 0.5), -9, 1.0)
    put(heads, 0, (2, 2), (0.1, 0.1, 0.7, 0.7), -9, 1.1)
    found = decode("YOLO26", outputs(heads), Thresholds(0.25, 0.2))
    # The camera sees 0.5 to 0.9, 0.4 to 0.6, and 0.7 to 0.9: the last one lies in the first one.
    assert found.boxes[:, 0] / 32 == pytest.approx([0.3, 0.3], abs=1e-6)
    assert found.classes.tolist() == [1, 0]


def test_with_int8_outputs_yolo11_reads_boxes_with_the_scale_of_scores_and_the_other_way_round() -> None:
    heads = empty(1)
    put(heads, 0, (0, 0), (0, 0, 1, 1), 1.0)
    scales = [0.5, 0.05] * 3
    whole = [quantised(head, scale) for head, scale in zip(heads, scales, strict=True)]
    found = decode("YOLO11", whole)
    # The logit 1.0 is 20 steps of 0.05, read as 20 * 0.5 = 10.
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-10.0)))
    # The logit 20 of a distance is 40 steps of 0.5, read as 40 * 0.05 = 2: exp(2) against 15 times exp(0).
    weight = np.exp(2.0)
    right = (weight * 1 + sum(range(2, 16))) / (weight + 15)
    left = sum(range(1, 16)) / (weight + 15)
    expected = [(0.5 - left) * 8, (0.5 - left) * 8, (0.5 + right) * 8, (0.5 + right) * 8]
    assert found.boxes[0] == pytest.approx(expected, rel=1e-5)


def test_with_int8_outputs_yolo26_has_the_scales_right() -> None:
    heads = empty(1, 4)
    put(heads, 1, (0, 0), (0, 0, 1, 1), 1.0)
    whole = [quantised(head, scale) for head, scale in zip(heads, [0.5, 0.05] * 3, strict=True)]
    assert shown(decode("YOLO26", whole)) == [([8, 8, 24, 24], 0.731, 0)]


def test_yolo26_comes_in_turns_or_grouped_and_with_four_classes_only_grouped() -> None:
    heads = empty(4, 4)
    put(heads, 1, (0, 0), (0, 0, 1, 1), LOGIT, -1, -1, -1)
    assert shown(decode("YOLO26", outputs(grouped(heads)))) == [([8, 8, 24, 24], SIGMOID, 0)]
    with pytest.raises(UndecodableError, match="no pair"):
        decode("YOLO26", outputs(heads))


@pytest.mark.parametrize(("kind", "channels"), [("YOLO11", 64), ("YOLO26", 4)])
def test_heads_are_decoded_as_by_the_plain_loops_of_the_integration_tests(kind: str, channels: int) -> None:
    random = np.random.default_rng(7)
    drawn = [
        random.normal(0, 2, (1, depth, grid, grid)).astype(np.float32)
        for grid in (16, 8, 4)
        for depth in (channels, 5)
    ]
    # Distances of a YOLO26 are mostly positive.
    drawn = [np.abs(head) if head.shape[1] == 4 else head for head in drawn]
    found = decode(kind, outputs(drawn), size=Size(128, 128))
    expected = camera.find([camera.Output(head) for head in drawn], 128)
    assert len(found) == len(expected) > 30
    assert np.allclose(found.scores, [box.score for box in expected], atol=1e-5)
    assert found.classes.tolist() == [box.label for box in expected]
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 256
    assert np.allclose(middles, [(box.x, box.y) for box in expected], atol=1e-5)


def test_a_middle_is_rounded_to_single_precision_at_the_end_alone() -> None:
    """Boxes with the same middle otherwise come in another order than on the camera."""
    random = np.random.default_rng(3)
    distances = random.normal(3, 2, (4, 500)).astype(np.float32)
    down, across = random.integers(0, 80, (2, 500))
    cells = Cells(down, across, np.full(500, 8))
    found = camera_view._centres(distances, cells, Size(640, 640))
    for box, (left, _, right, _), column in zip(found, distances.T, cells.columns, strict=True):
        first = np.float32((float(np.float32(column) - left) + 0.5) * 8)
        last = np.float32((float(np.float32(column) + right) + 0.5) * 8)
        assert box[0] == np.float32((float(first) + float(last - first) / 2) / 640)
        assert box[2] == (last - first) / np.float32(640)


def row(*values: float) -> NDArray[np.float32]:
    """63 rows of a YOLOv5 with an input of 32x32, of which only the second one has a score."""
    rows = np.zeros((1, 63, len(values)), np.float32)
    rows[0, 1] = values
    return rows


def test_yolov5_shows_its_objectness_where_the_first_value_is_below_1() -> None:
    rows = row(0.5, 0.5, 0.25, 0.5, 0.8, 0.1, 0.3, 0.3)
    # The first of equal classes.
    assert shown(decode("YOLOv5", [Output(rows)])) == [([12, 8, 20, 24], 0.8, 1)]
    rows[0, 1, :4] = 1.5, 0.5, 1.5, 0.5
    # Middle and size are cut one by one: the box still reaches out.
    assert shown(decode("YOLOv5", [Output(rows)])) == [([16, 8, 48, 24], 0.8, 1)]


def test_of_a_yolov5_in_pixels_the_score_is_divided_by_100() -> None:
    rows = row(16, 16, 8, 16, 0.9, 0.1, 0.3)
    rows[0, 0, 0] = 1
    assert len(decode("YOLOv5", [Output(rows)])) == 0
    rows[0, 1, 4] = 90
    assert shown(decode("YOLOv5", [Output(rows)])) == [([12, 8, 20, 24], 0.9, 1)]


def test_of_an_int8_yolov5_the_scale_decides() -> None:
    rows = row(0.5, 0.5, 0.25, 0.5, 0.75, 0.25, 0.5)
    assert shown(decode("YOLOv5", [quantised(rows, 1 / 64)])) == [([12, 8, 20, 24], 0.75, 1)]
    rows = row(16, 16, 8, 16, 60, 1, 2)
    assert shown(decode("YOLOv5", [quantised(rows, 1.0)])) == [([12, 8, 20, 24], 0.6, 1)]


def test_a_classifier_shows_all_classes_above_the_threshold_the_later_of_equal_ones_first() -> None:
    scores = np.array([[0.5, 0.6, 0.9, 0.6]], np.float32)
    found = camera_view.decode("classifier", [Output(scores)], SIZE, Thresholds(0.5, 0.45))
    assert isinstance(found, Labels)
    assert found.classes.tolist() == [2, 3, 1]
    whole = camera_view.decode("classifier", [quantised(scores, 0.0125)], SIZE, Thresholds(0.5, 0.45))
    assert whole.classes.tolist() == [2, 3, 1]
    # A scale that is no smaller than 0.1 makes percents.
    percents = Output(np.array([[0, 60, 90, 127]], np.uint8), 1.0)
    assert camera_view.decode("classifier", [percents], SIZE, Thresholds(0.5, 0.45)).scores.tolist() == [
        pytest.approx(score) for score in (1.27, 0.9, 0.6)
    ]


def test_nvidia_det_doubles_the_score_and_keeps_a_box_of_each_class() -> None:
    boxes, scores = np.zeros((1, 2, 2, 8), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    # The middle of the cell (row 1, column 0) is (0.5, 16.5); a distance of 0.2 is 7 pixels.
    boxes[0, 1, 0] = [0.0, 0.2, 0.2, 0.2] * 2
    scores[0, 1, 0] = 0.6, 0.21
    expected = [([0.5, 9.5, 7.5, 23.5], 1.2, 0), ([0.5, 9.5, 7.5, 23.5], 0.42, 1)]
    # A score of 0.42 passes a threshold of 0.9, because nobody asks it.
    assert shown(decode("NvidiaDet", [Output(scores), Output(boxes)], Thresholds(0.9, 0.45))) == expected
    assert shown(decode("NvidiaDet", [Output(boxes), Output(scores)])) == expected
    scores[0, 1, 0] = 0.2, 0.19
    scores = np.nextafter(scores, np.float32(0))
    assert len(decode("NvidiaDet", [Output(boxes), Output(scores)])) == 0


def columns(*cells: tuple[float, ...]) -> NDArray[np.float32]:
    """The decoded output `[1,values,21]` of a network with an input of 32x32."""
    values = np.zeros((1, len(cells[0]), 21), np.float32)
    for place, cell in enumerate(cells):
        values[0, :, place] = cell
    return values


def test_a_pose_is_decoded_already_and_the_least_sure_comes_first() -> None:
    given = columns(
        (8, 8, 8, 8, 0.9, 5, 6, 0.5), (24, 24, 8, 4, 0.3, 25, 26, 0.25), (8, 8, 8, 7, 0.8, 0, 0, 0)
    )
    found = decode("YOLO11-pose", [Output(given)])
    assert shown(found) == [([20, 22, 28, 26], 0.3, 0), ([4, 4, 12, 12], 0.9, 0)]
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[25, 26, 0.25]], [[5, 6, 0.5]]]


def test_a_segmentation_keeps_boxes_of_several_classes_and_a_score_at_the_threshold() -> None:
    mask = [1.0, *[0.0] * 31]
    given = columns((16, 16, 16, 16, 0.25, 0.1, *mask), (16, 16, 16, 16, 0.3, 0.3, *mask))
    prototypes = np.zeros((1, 32, 8, 8), np.float32)
    # Above 0.5 only in the left half, and above 0 everywhere.
    prototypes[0, 0, :, :4], prototypes[0, 0, :, 4:] = 0.6, 0.4
    found = decode("YOLO11-seg", [Output(given), Output(prototypes)])
    assert shown(found) == [([8, 8, 24, 24], 0.25, 0), ([8, 8, 24, 24], 0.3, 1)]
    assert found.masks is not None
    assert np.argwhere(found.masks[0]).tolist() == [[y, x] for y in range(2, 6) for x in range(2, 4)]


@pytest.mark.parametrize("kind", ["FOMO", "YOLOv8"])
def test_a_kind_that_never_works_has_no_camera_view_and_says_so(kind: str) -> None:
    with pytest.raises(UndecodableError, match=f"there is no camera view of {kind}: "):
        decode(kind, outputs(grouped(empty())))


def test_every_kind_that_needs_no_order_has_a_view_or_a_reason_against_one() -> None:
    assert {kind.name for kind in KINDS if not kind.told} == {*camera_view.VIEWS, *camera_view.NEVER}


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("YOLO11", ["bf16"] * 6),
        ("YOLO11", ["int8"] * 5 + ["fp32"]),
        ("YOLO26", ["uint8"] * 6),
        ("YOLO11-pose", ["int8"]),
        ("YOLO11-seg", ["int8", "fp32"]),
        ("NvidiaDet", ["int8", "fp32"]),
        ("YOLOv5", ["uint8"]),
        ("classifier", ["bf16"]),
    ],
)
def test_outputs_of_a_type_that_the_firmware_cannot_read_have_no_view(kind: str, types: list[str]) -> None:
    words = {"fp32": np.float32, "int8": np.int8, "uint8": np.uint8, "bf16": np.uint16}
    given = [Output(np.zeros((1, 64, 4, 4), words[name]), type=name) for name in types]
    with pytest.raises(UndecodableError, match="firmware"):
        decode(kind, given)


SHAPES: dict[str, list[tuple[int, ...]]] = {
    "YOLOv5": [(1, 63, 7)],
    "classifier": [(1, 10)],
    "NvidiaDet": [(1, 2, 2, 12), (1, 2, 2, 3)],
    "YOLO11": [(1, depth, grid, grid) for grid in (4, 2, 1) for depth in (64, 3)],
    "YOLO11-pose": [(1, 11, 21)],
    "YOLO11-seg": [(1, 39, 21), (1, 32, 8, 8)],
    "YOLO26": [(1, depth, grid, grid) for grid in (4, 2, 1) for depth in (4, 3)],
}


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 5.0, 1e4, 1e38]))
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_whatever_is_in_the_tensors_is_decoded(kind: str, seed: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    given = []
    for shape in SHAPES[kind]:
        values = (random.normal(0, 1, shape) * spread).astype(np.float32)
        odd = random.random(shape)
        values[odd < 0.02], values[odd > 0.98], values[(odd > 0.5) & (odd < 0.51)] = np.nan, np.inf, -np.inf
        given.append(Output(values))
    found = camera_view.decode(kind, given, SIZE, USUAL)
    if isinstance(found, Detections):
        assert np.isfinite(found.boxes).all()
        assert len(found.boxes) == len(found.scores) == len(found.classes)
