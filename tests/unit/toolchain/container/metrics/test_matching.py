from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import masks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvimake.toolchain.container.metrics.evaluation import Kind, evaluate
from cvimake.toolchain.container.metrics.matching import Near, match

# numpy 2 warns about pycocotools.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

# Few places and sizes, so that overlaps are often equal, at a limit, or those of boxes without an area; the
# areas lie in all ranges of sizes.
SIDE = 240
PARTS: tuple[Kind, ...] = "bbox", "segm", "keypoints"
PLACES, SIZES, SCORES = st.integers(0, 3), st.sampled_from([0, 1, 2, 4]), st.integers(0, 4)
BOXES = st.tuples(PLACES, PLACES, SIZES, SIZES).map(lambda box: [30.0 * number for number in box])
PAIRS = st.tuples(st.integers(0, 1), st.integers(0, 1))
OBJECTS = st.lists(st.tuples(PAIRS, BOXES, st.booleans()), max_size=12)
DETECTIONS = st.lists(st.tuples(PAIRS, BOXES, SCORES), min_size=1, max_size=25)


def labels_of(objects: list[Any], part: str) -> dict[str, Any]:
    return {
        "images": [{"id": number, "width": SIDE, "height": SIDE} for number in range(2)],
        "categories": [{"id": number, "name": str(number)} for number in range(2)],
        "annotations": [
            {
                "id": index + 1, "image_id": image, "category_id": category, "bbox": box,
                "area": box[2] * box[3], "iscrowd": int(crowd), **shape(part, box, visible=not crowd),
            }
            for index, ((image, category), box, crowd) in enumerate(objects)
        ],
    }  # fmt: skip


def results_of(detections: list[Any], part: str) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": category,
            "score": score / 4,
            **({"bbox": box} if part == "bbox" else shape(part, box)),
        }
        for (image, category), box, score in detections
    ]


def shape(part: str, box: list[float], *, visible: bool = True) -> dict[str, Any]:
    x, y, width, height = box
    if part == "segm":
        return {"segmentation": masks.rectangle(SIDE, *box)}
    if part == "keypoints":
        # An object without visible keypoints is ignored, and every detection near its box can have it.
        seen = 2 if visible else 0
        return {
            "keypoints": [x, y, seen, x + width, y + height, seen],
            "num_keypoints": 2 if visible else 0,
        }
    return {}


def directly(
    labels: dict[str, Any], results: list[dict[str, Any]], part: str, most: int | None = None
) -> COCOeval:
    """Return pycocotools' own evaluation, made in the usual way."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(labels)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), part)
        evaluation.params.maxDets = evaluation.params.maxDets[-1:] if most is None else [most]
        if part == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.full(2, 1 / 2)
        evaluation.evaluate()
    return evaluation


@pytest.mark.parametrize("part", PARTS)
@given(OBJECTS, DETECTIONS)
@settings(max_examples=100, deadline=None)
def test_all_matches_are_those_of_pycocotools(part: Kind, objects: list[Any], detections: list[Any]) -> None:
    labels, results = labels_of(objects, part), results_of(detections, part)
    theirs, ours = directly(labels, results, part), evaluate(labels, results, part)
    images = iter(theirs.evalImgs)
    assert list(ours.sizes) == theirs.params.areaRngLbl
    for category in range(2):
        for of_classes in ours.sizes.values():
            of_images = [next(images) for _ in range(2)]
            found = [one for one in of_images if one]
            one = of_classes[category]
            objects_there = [np.sum(np.array(one["gtIgnore"]) == 0) if one else 0 for one in of_images]
            assert one.objects.tolist() == objects_there
            scores = np.concatenate([np.zeros(0), *(one["dtScores"] for one in found)])
            order = np.argsort(-scores, kind="mergesort")
            assert one.scores.tolist() == scores[order].tolist()
            numbers = [[index] * len(one["dtScores"]) for index, one in enumerate(of_images) if one]
            assert one.images.tolist() == np.concatenate([np.zeros(0), *numbers])[order].tolist()
            for row in range(len(theirs.params.iouThrs)):
                matches, ignored = (
                    np.concatenate([np.zeros(0), *(one[name][row] for one in found)])[order] != 0
                    for name in ("dtMatches", "dtIgnore")
                )
                assert one.ignored[row].tolist() == ignored.tolist()
                assert one.right[row].tolist() == (matches & ~ignored).tolist()
    pairs = [
        (int(label), score)
        for category in range(2)
        for one in theirs.evalImgs[category * 2 * len(ours.sizes) :][:2]
        if one
        for label, score in zip(one["dtMatches"][0], one["dtScores"], strict=True)
        if label
    ]
    assert [pair[:2] for pair in ours.pairs] == pairs
    assert list(evaluate(labels, results, part, pairs=True).pairs) == list(ours.pairs)
    tables = [table for table in theirs.ious.values() if len(table)]
    assert all(any((table == overlap).any() for table in tables) for *_, overlap in ours.pairs)


def test_only_the_surest_hundred_of_an_image_are_evaluated_and_of_poses_twenty() -> None:
    objects = [((0, 0), [0.0, 0.0, 30.0, 30.0], False)]
    detections = [((0, 0), [30.0 * (index % 4), 0.0, 30.0, 30.0], index) for index in range(120)]
    for part, most in zip(PARTS, (100, 100, 20), strict=True):
        found = evaluate(labels_of(objects, part), results_of(detections, part), part).sizes["all"][0]
        assert found.scores.tolist() == [index / 4 for index in range(119, 119 - most, -1)]


def test_choices_are_the_same_where_few_are_made_together(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.RandomState(0)
    groups = np.repeat(np.arange(20), 6)
    pairs = [
        (detection, 3 * group + place, random.choice([0.5, 0.7, 0.9]))
        for detection, group in enumerate(groups.tolist())
        for place in range(3)
        if random.rand() < 0.7
    ]
    near = Near(*(np.array(column) for column in zip(*pairs, strict=True)))
    crowd, ignored = random.rand(60) < 0.1, random.rand(60, 2) < 0.3
    limits = np.array([0.5, 0.75])
    together = match(near, groups, crowd, ignored, limits)
    monkeypatch.setattr("cvimake.toolchain.container.metrics.matching._TOGETHER", 1)
    assert np.array_equal(match(near, groups, crowd, ignored, limits), together)
    assert len(np.unique(together)) > 30


def test_boxes_whose_areas_are_too_small_for_a_number_overlap_as_in_pycocotools() -> None:
    small = [0.0, 0.0, 1e-200, 1e-200]
    labels, results = labels_of([((0, 0), small, False)], "bbox"), results_of([((0, 0), small, 1)], "bbox")
    assert directly(labels, results, "bbox").evalImgs[0]["dtMatches"].all()
    assert evaluate(labels, results, "bbox").sizes["all"][0].right.all()
