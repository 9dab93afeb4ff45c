from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.toolchain.container.decoders import field_view
from cvimake.toolchain.container.decoders.field_view import Rules
from cvimake.toolchain.container.decoders.outputs import (
    Detections,
    Labels,
    Output,
    Size,
    Thresholds,
    UndecodableError,
)

from .drawn_outputs import SIZE, empty, grouped, outputs, put, quantised
from .test_camera_view import SHAPES, columns, row, shown

SHAPES_OF_ALL: dict[str, list[tuple[int, ...]]] = {
    **SHAPES,
    "FOMO": [(1, 4, 4, 3)],
    "YOLOv8": [(1, depth, grid, grid) for depth in (64, 3) for grid in (4, 2, 1)],
}


def decode(kind: str, given: list[Output], rules: Rules | None = None, size: Size = SIZE) -> Detections:
    found = field_view.decode(kind, given, size, rules)
    assert isinstance(found, Detections)
    return found


@pytest.mark.parametrize("kind", ["YOLO11", "YOLOv8"])
def test_a_cell_has_a_box_for_each_class_with_a_score(kind: str) -> None:
    heads = empty(3)
    put(heads, 1, (1, 1), (1, 1, 0, 0), 0.0, np.log(3), -6.8)
    heads = heads if kind == "YOLO11" else grouped(heads)
    found = decode(kind, outputs(heads))
    # exp(-6.8) is 0.0011; the background's exp(-9) is 0.0001.
    box = [8, 8, 24, 24]
    assert shown(found) == [(box, 0.75, 1), (box, 0.5, 0), (box, 0.001, 2)]
    assert len(decode(kind, outputs(heads), Rules(most=2))) == 2


def test_doubles_are_dropped_within_their_class_by_the_true_overlap() -> None:
    heads = empty(2)
    # Of 256 pixels each, they share 16 * 8 = 128, a third of their union.
    put(heads, 0, (1, 1), (1, 1, 1, 1), 2.0, -9)
    put(heads, 0, (1, 2), (1, 1, 1, 1), 1.0, 1.5)
    assert shown(decode("YOLO11", outputs(heads), Rules(Thresholds(0.001, 0.33)))) == [
        ([4, 4, 20, 20], 0.881, 0),
        ([12, 4, 28, 20], 0.818, 1),
    ]
    assert len(decode("YOLO11", outputs(heads), Rules(Thresholds(0.001, 0.34)))) == 3


def test_int8_outputs_have_their_own_scales() -> None:
    heads = empty(1)
    put(heads, 0, (0, 0), (0, 0, 1, 1), 1.0)
    whole = [quantised(head, scale) for head, scale in zip(heads, [0.5, 0.05] * 3, strict=True)]
    (found,) = shown(decode("YOLO11", whole, Rules(Thresholds(0.25, 0.7))))
    assert found == ([4, 4, 12, 12], 0.731, 0)


@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("in_groups", [False, True])
def test_yolo26_comes_in_either_order_and_nothing_is_suppressed(classes: int, *, in_groups: bool) -> None:
    heads = empty(classes, 4)
    put(heads, 0, (1, 1), (1, 1, 1, 1), 2.0, *[-9.0] * (classes - 1))
    put(heads, 1, (0, 0), (0.25, 0.25, 0.75, 0.75), 1.0, *[-9.0] * (classes - 1))
    found = decode("YOLO26", outputs(grouped(heads) if in_groups else heads))
    assert shown(found) == [([4, 4, 20, 20], 0.881, 0), ([4, 4, 20, 20], 0.731, 0)]


def test_yolov5_multiplies_the_scores_and_finds_out_whether_boxes_are_relative() -> None:
    expected = [([12, 8, 20, 24], 0.45, 1), ([12, 8, 20, 24], 0.09, 0)]
    assert shown(decode("YOLOv5", [Output(row(16, 16, 8, 16, 0.9, 0.1, 0.5))])) == expected
    relative = row(0.5, 0.5, 0.25, 0.5, 0.9, 0.1, 0.5)
    assert shown(decode("YOLOv5", [Output(relative)])) == expected
    assert shown(decode("YOLOv5", [Output(relative)], Rules(relative_boxes=False))) != expected
    percents = row(16, 16, 8, 16, 90, 10, 50)
    assert shown(decode("YOLOv5", [Output(percents)], Rules(percent=True))) == expected


def test_fomo_has_a_box_for_each_cell_of_a_class() -> None:
    scores = np.zeros((1, 4, 4, 3), np.float32)
    scores[0, :, :, 0] = 1
    scores[0, 1, 2] = 0.1, 0.2, 0.7
    assert shown(decode("FOMO", [Output(scores)])) == [([16, 8, 24, 16], 0.7, 1), ([16, 8, 24, 16], 0.2, 0)]


def test_nvidia_det_has_the_score_of_the_network_and_boxes_within_the_input() -> None:
    boxes, scores = np.zeros((1, 2, 2, 4), np.float32), np.zeros((1, 2, 2, 1), np.float32)
    boxes[0, 1, 0] = [0.2, 0.2, 0.2, 0.2]
    scores[0, 1, 0] = 0.1
    assert shown(decode("NvidiaDet", [Output(boxes), Output(scores)])) == [([0, 9.5, 7.5, 23.5], 0.1, 0)]


def test_poses_and_masks_belong_to_the_boxes_that_stay() -> None:
    poses = columns(
        (8, 8, 8, 8, 0.3, 5, 6, 0.5), (24, 24, 8, 4, 0.9, 25, 26, 0.25), (8, 8, 8, 7, 0.2, 0, 0, 0)
    )
    found = decode("YOLO11-pose", [Output(poses)])
    assert shown(found) == [([20, 22, 28, 26], 0.9, 0), ([4, 4, 12, 12], 0.3, 0)]
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[25, 26, 0.25]], [[5, 6, 0.5]]]

    left, right = [1.0, 0.0, *[0.0] * 30], [0.0, 1.0, *[0.0] * 30]
    cells = columns((16, 16, 16, 16, 0.3, 0.0, *right), (16, 16, 16, 16, 0.0, 0.9, *left))
    prototypes = np.full((1, 32, 8, 8), -1.0, np.float32)
    prototypes[0, 0, :, :4] = prototypes[0, 1, :, 4:] = 1
    found = decode("YOLO11-seg", [Output(cells), Output(prototypes)])
    assert shown(found) == [([8, 8, 24, 24], 0.9, 1), ([8, 8, 24, 24], 0.3, 0)]
    assert found.masks is not None
    assert np.argwhere(found.masks[0]).tolist() == [[y, x] for y in range(8, 24) for x in range(8, 16)]
    assert np.argwhere(found.masks[1]).tolist() == [[y, x] for y in range(8, 24) for x in range(16, 24)]


def test_a_classifier_ranks_all_classes() -> None:
    found = field_view.decode("classifier", [quantised(np.array([[0.1, 0.6, 0.3]], np.float32), 0.01)], SIZE)
    assert isinstance(found, Labels)
    assert found.classes.tolist() == [1, 2, 0]
    assert found.scores == pytest.approx([0.6, 0.3, 0.1])


def test_bf16_outputs_are_read() -> None:
    scores = np.array([[0.5, -2.0]], np.float32)
    words = (scores.view(np.uint32) >> 16).astype(np.uint16)
    found = field_view.decode("classifier", [Output(words, type="bf16")], SIZE)
    assert found.scores.tolist() == [0.5, -2.0]


@pytest.mark.parametrize("kind", sorted(SHAPES_OF_ALL))
def test_outputs_of_another_network_are_refused(kind: str) -> None:
    with pytest.raises(UndecodableError):
        decode(kind, [])
    if kind != "FOMO":
        with pytest.raises(UndecodableError):
            decode(kind, [Output(np.zeros((1, 5, 5, 5), np.float32))] * 6)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@given(
    st.sampled_from(sorted(SHAPES_OF_ALL)), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 5.0, 1e4, 1e38])
)
def test_whatever_is_in_the_tensors_is_decoded(kind: str, seed: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    given = []
    for shape in SHAPES_OF_ALL[kind]:
        values = (random.normal(0, 1, shape) * spread).astype(np.float32)
        odd = random.random(shape)
        values[odd < 0.02], values[odd > 0.98], values[(odd > 0.5) & (odd < 0.51)] = np.nan, np.inf, -np.inf
        given.append(Output(values))
    found = field_view.decode(kind, given, SIZE)
    if isinstance(found, Detections):
        assert np.isfinite(found.boxes).all()
        assert len(found.boxes) == len(found.scores) <= 300
