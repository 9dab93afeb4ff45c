from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvimake.toolchain.container.metrics.matching import Matching

# numpy 2 warns about pycocotools. An overlap of two boxes without an area is 0 / 0.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation", "ignore:invalid value")

# Few places and sizes, so that overlaps are often equal, at a limit, or those of boxes without an area; the
# areas lie in all ranges of sizes.
PLACES, SIZES, SCORES = st.integers(0, 3), st.sampled_from([0, 1, 2, 4]), st.integers(0, 4)
BOXES = st.tuples(PLACES, PLACES, SIZES, SIZES).map(lambda box: [30.0 * number for number in box])
PAIRS = st.tuples(st.integers(0, 1), st.integers(0, 1))
OBJECTS = st.lists(st.tuples(PAIRS, BOXES, st.booleans()), max_size=12)
DETECTIONS = st.lists(st.tuples(PAIRS, BOXES, SCORES), min_size=1, max_size=25)


def indexed(objects: list[Any]) -> COCO:
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in range(2)],
        "categories": [{"id": number, "name": str(number)} for number in range(2)],
        "annotations": [
            {
                "id": index + 1, "image_id": image, "category_id": category, "bbox": box,
                "area": box[2] * box[3], "iscrowd": int(crowd),
            }
            for index, ((image, category), box, crowd) in enumerate(objects)
        ],
    }  # fmt: skip
    truth.createIndex()
    return truth


def evaluated(kind: type[COCOeval], objects: list[Any], detections: list[Any], most: int) -> COCOeval:
    results = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score / 4}
        for (image, category), box, score in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = indexed(objects)
        evaluation = kind(truth, truth.loadRes(results), "bbox")
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@given(OBJECTS, DETECTIONS, st.sampled_from([2, 100]))
@settings(max_examples=150, deadline=None)
def test_all_matches_are_those_of_pycocotools(objects: list[Any], detections: list[Any], most: int) -> None:
    ours, theirs = (evaluated(kind, objects, detections, most) for kind in (Matching, COCOeval))
    for name in ("precision", "recall"):
        assert np.array_equal(ours.eval[name], theirs.eval[name])
    for one, other in zip(ours.evalImgs, theirs.evalImgs, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one["image_id"], one["category_id"]) == (other["image_id"], other["category_id"])
            assert one["dtScores"].tolist() == other["dtScores"]
            assert np.array_equal(one["dtMatches"], other["dtMatches"])
            assert np.array_equal(one["dtIgnore"], other["dtIgnore"])
            assert sorted(one["gtIgnore"]) == sorted(other["gtIgnore"])


def test_only_the_largest_number_of_detections_is_evaluated() -> None:
    assert Matching(indexed([]), indexed([]), "bbox").params.maxDets == [100]
    assert Matching(indexed([]), indexed([]), "keypoints").params.maxDets == [20]
