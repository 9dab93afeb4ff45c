from __future__ import annotations

from typing import Any

import pytest
from masks import rectangle

from cvimake.toolchain.container.metrics import agreement, classifier_agreement

# numpy 2 warns about pycocotools.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

FRAME: dict[str, Any] = {
    "images": [{"id": 0, "file_name": "a.png"}],
    "categories": [{"id": 0, "name": "cat"}],
}


def detection(score: float, x: float, **more: object) -> dict[str, Any]:
    return {"image_id": 0, "category_id": 0, "score": score, "bbox": [x, 0.0, 10.0, 10.0], **more}


def test_equal_detections_agree_in_everything() -> None:
    found = [detection(0.9, 0), detection(0.7, 50), detection(0.1, 80)]
    figures = agreement(FRAME, found, found, sure=0.5)
    assert (figures["objects"], figures["lost"], figures["added"]) == (2, 0, 0)
    assert (figures["score_moved"], figures["score_moved_most"]) == (0, 0)
    assert (figures["boxes"]["map50_95"], figures["boxes"]["mean_iou"]) == (1, 1)


def test_moved_boxes_and_scores_are_measured() -> None:
    figures = agreement(
        FRAME, [detection(0.9, 0), detection(0.8, 50)], [detection(0.5, 2), detection(0.7, 50)], sure=0.5
    )
    assert figures["boxes"]["mean_iou"] == pytest.approx((1 + 8 / 12) / 2)
    assert figures["score_moved"] == pytest.approx(0.25)
    assert figures["score_moved_most"] == pytest.approx(0.4)


def test_lost_and_added_detections_are_counted_but_not_those_that_cross_the_threshold() -> None:
    truth = [detection(0.9, 0), detection(0.8, 50), detection(0.4, 80)]
    found = [detection(0.4, 0), detection(0.6, 80), detection(0.9, 20)]
    figures = agreement(FRAME, truth, found, sure=0.5)
    assert (figures["lost"], figures["added"]) == (1, 1)


def test_masks_and_keypoints_are_compared_if_the_detections_have_them() -> None:
    first, second = (rectangle(100, 0, 0, width, 10) for width in (10, 8))
    figures = agreement(
        FRAME, [detection(0.9, 0, segmentation=first)], [detection(0.9, 0, segmentation=second)], sure=0.5
    )
    assert figures["masks"]["mean_iou"] == pytest.approx(0.8)
    points = [0.0, 0.0, 0.3, 10.0, 10.0, 0.9]
    found = [detection(0.9, 0, keypoints=points)]
    assert agreement(FRAME, found, found, sure=0.5)["keypoints"]["mean_oks"] == pytest.approx(1)
    assert points[2] == 0.3


def test_without_a_sure_detection_there_is_nothing_to_say() -> None:
    figures = agreement(FRAME, [detection(0.1, 0)], [], sure=0.5)
    assert (figures["objects"], figures["boxes"]["map50_95"], figures["boxes"]["mean_iou"]) == (0, None, None)
    assert (figures["score_moved"], figures["score_moved_most"], figures["lost"]) == (None, None, 0)


def test_without_any_class_or_image_there_is_nothing_to_say() -> None:
    frames: tuple[dict[str, Any], ...] = ({**FRAME, "categories": []}, {"images": [], "categories": []})
    for frame in frames:
        figures = agreement(frame, [], [], sure=0.5)
        assert figures["boxes"]["map50"] is None
        assert figures["boxes"]["at_threshold"]["f1"] is None


def test_classifiers_agree_where_their_surest_class_is_the_same() -> None:
    def results(*scores: tuple[float, float]) -> list[dict[str, Any]]:
        return [
            {"image_id": image, "category_id": number, "score": score}
            for image, of_image in enumerate(scores)
            for number, score in enumerate(of_image)
        ]

    figures = classifier_agreement(
        results((0.9, 0.1), (0.6, 0.4)), results((0.8, 0.2), (0.3, 0.7)), {0: "cat"}
    )
    # A class without a name has its number.
    assert figures["confusions"] == [{"of": "cat", "as": "1", "images": 1}]
    assert (figures["images"], figures["same_top1"]) == (2, 0.5)
    assert figures["score_moved"] == pytest.approx(0.2)
    assert figures["score_moved_most"] == pytest.approx(0.3)
    assert classifier_agreement([], [], {})["same_top1"] is None
