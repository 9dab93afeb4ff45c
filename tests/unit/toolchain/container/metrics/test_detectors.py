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

from cvimake.toolchain.container.metrics import labelled_figures
from cvimake.toolchain.container.metrics.average_precision import average_precision, mean_of_classes
from cvimake.toolchain.container.metrics.evaluation import evaluate

# numpy 2 warns about pycocotools.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

SIZE = 300
KEYPOINTS = 3


def world(seed: int, images: int = 12, *, part: str = "bbox") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return random labels, and detections of which about half are right."""
    random = np.random.RandomState(seed)
    labels: dict[str, Any] = {
        "images": [
            {"id": index, "file_name": f"{index}.png", "width": SIZE, "height": SIZE}
            for index in range(images)
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": "rat"}],
        "annotations": [],
    }
    found = []
    for image in range(images):
        for _ in range(random.randint(0, 5)):
            x, y = random.uniform(0, 150, 2).round(2).tolist()
            width, height = random.choice([12, 50, 130], 2).astype(float).tolist()
            category = int(random.randint(2))
            labels["annotations"].append(
                {
                    "id": len(labels["annotations"]) + 1, "image_id": image, "category_id": category,
                    "bbox": [x, y, width, height], "area": width * height,
                    "iscrowd": int(random.rand() < 0.1), **shape(part, (x, y, width, height), 2),
                }
            )  # fmt: skip
            for _ in range(random.randint(0, 3)):
                left, top = (np.array([x, y]) + random.normal(0, width / 10, 2)).clip(0, SIZE - 131).tolist()
                score = float(random.rand().__round__(2))
                found.append(
                    {
                        "image_id": image, "category_id": int(random.choice([category, 2])), "score": score,
                        "bbox": [left, top, width, height], **shape(part, (left, top, width, height), score),
                    }
                )  # fmt: skip
    return labels, found


def shape(part: str, box: tuple[float, float, float, float], last: float) -> dict[str, Any]:
    x, y, width, height = box
    if part == "segm":
        return {"segmentation": masks.rectangle(SIZE, *box)}
    if part == "keypoints":
        points = [x, y, last, x + width, y, last, x, y + height, last]
        return {"keypoints": points, "num_keypoints": KEYPOINTS}
    return {}


def directly(labels: dict[str, Any], found: list[dict[str, Any]], kind: str) -> COCOeval:
    """Return pycocotools' own evaluation, made in the usual way."""
    members = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(labels)
        truth.createIndex()
        keys = ("image_id", "category_id", "score", members[kind])
        evaluation = COCOeval(truth, truth.loadRes([{key: one[key] for key in keys} for one in found]), kind)
        if kind == "keypoints":
            evaluation.params.kpt_oks_sigmas = np.full(KEYPOINTS, 1 / KEYPOINTS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def drawn_precision(
    labels: dict[str, Any], found: list[dict[str, Any]], draws: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return mean average precision with each image counted several times or not at all."""
    classes = evaluate(labels, found, "bbox").sizes["all"].values()
    return mean_of_classes([average_precision(one, draws) for one in classes], len(draws))


def same(value: float | None, coco: float) -> bool:
    return value is None if coco == -1 else value == pytest.approx(coco, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("part", "name"), [("bbox", "boxes"), ("segm", "masks"), ("keypoints", "keypoints")])
def test_the_figures_are_those_of_pycocotools_run_directly(seed: int, part: str, name: str) -> None:
    labels, found = world(seed, part=part)
    figures = labelled_figures(labels, found, 0.5)[name]
    stats = directly(labels, found, part).stats
    assert 0 < figures["map50_95"] < 1
    assert same(figures["map50_95"], stats[0])
    assert same(figures["map50"], stats[1])
    sizes = ("medium", "large") if part == "keypoints" else ("small", "medium", "large")
    assert list(figures["sizes"]) == list(sizes)
    for size, value in zip(sizes, stats[3:], strict=False):
        assert same(figures["sizes"][size]["map50_95"], value)
    curve = figures["precision_over_recall"]
    table = directly(labels, found, part).eval["precision"][0, ::2, :, 0, -1]
    assert curve == pytest.approx([row[row > -1].mean() for row in table], abs=0.0006)
    assert len(curve) == 51
    assert same(figures["recall_100"], stats[5 if part == "keypoints" else 8])


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_of_a_class_are_those_of_pycocotools_with_this_class_alone(seed: int) -> None:
    labels, found = world(seed)
    figures = labelled_figures(labels, found, 0.5)["boxes"]["classes"]
    for category in labels["categories"]:
        number = category["id"]
        alone = {
            **labels,
            "categories": [category],
            "annotations": [one for one in labels["annotations"] if one["category_id"] == number],
        }
        stats = directly(alone, [one for one in found if one["category_id"] == number], "bbox").stats
        assert same(figures[category["name"]]["map50_95"], stats[0])
        assert same(figures[category["name"]]["map50"], stats[1])
    assert figures["rat"] == {"map50": None, "map50_95": None, "objects": 0}


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.25, 0.5, 0.77, 1.0]))
@settings(max_examples=20, deadline=None)
def test_recall_at_a_threshold_is_that_of_the_detections_above_it(seed: int, threshold: float) -> None:
    labels, found = world(seed)
    shown = [one for one in found if one["score"] >= threshold]
    of_classes = labelled_figures(labels, found, threshold)["boxes"]["at_threshold"]["classes"]
    classes = evaluate(labels, shown, "bbox").sizes["all"].values()
    assert [of_classes[name]["recall"] for name in ("cat", "dog", "rat")] == [
        pytest.approx(one.right[0].sum() / one.objects.sum()) if one.objects.any() else None
        for one in classes
    ]


def detection(score: float, x: float, category: int = 0, image: int = 0) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "score": score, "bbox": [x, 0.0, 10.0, 10.0]}


def labelled(*places: float, **more: object) -> dict[str, Any]:
    return {
        "images": [{"id": 0, "file_name": "a.png", "width": SIZE, "height": SIZE}],
        "categories": [{"id": 0, "name": "cat"}],
        "annotations": [
            {
                "id": index + 1, "image_id": 0, "category_id": 0, "bbox": [x, 0.0, 10.0, 10.0],
                "area": 100.0, "iscrowd": 0, **more,
            }
            for index, x in enumerate(places)
        ],
    }  # fmt: skip


def test_precision_and_recall_at_the_threshold_are_counted() -> None:
    found = [detection(0.9, 0), detection(0.8, 100), detection(0.6, 50), detection(0.3, 150)]
    rates = labelled_figures(labelled(0, 50, 200), found, 0.5)["boxes"]["at_threshold"]
    assert (rates["threshold"], rates["precision"], rates["recall"], rates["f1"]) == (
        0.5,
        2 / 3,
        2 / 3,
        2 / 3,
    )


def test_a_group_of_objects_makes_no_detection_wrong() -> None:
    rates = labelled_figures(labelled(0, iscrowd=1), [detection(0.9, 0)], 0.5)["boxes"]["at_threshold"]
    assert (rates["precision"], rates["recall"]) == (None, None)


def test_a_perfect_detector_has_1_and_a_silent_one_0() -> None:
    assert (
        labelled_figures(labelled(0, 50), [detection(0.9, 0), detection(0.8, 50)], 0.5)["boxes"]["map50_95"]
        == 1
    )
    silent = labelled_figures(labelled(0, 50), [], 0.5)
    assert set(silent["boxes"]["precision_over_recall"]) == {0.0}
    assert labelled_figures(labelled(), [], 0.5)["boxes"]["precision_over_recall"] == []
    assert (silent["boxes"]["map50"], silent["boxes"]["at_threshold"]["recall"], silent["detections"]) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_detections_that_a_damaged_network_gives_are_left_out_and_counted(bad: float) -> None:
    found = [detection(0.9, 0), detection(bad, 0), detection(0.9, bad)]
    found.append({**detection(0.9, 0), "bbox": [5.0, 0.0, -10.0, 10.0]})
    figures = labelled_figures(labelled(0), found, 0.5)
    assert (figures["unusable"], figures["detections"], figures["boxes"]["at_threshold"]["recall"]) == (
        3,
        1,
        1,
    )


def test_detections_without_the_masks_that_the_labels_have_are_refused() -> None:
    labels = labelled(0, segmentation=[[0, 0, 10, 0, 10, 10]])
    with pytest.raises(ValueError, match="labels have masks, but a detection of image 0 has none"):
        labelled_figures(labels, [detection(0.9, 0)], 0.5)


def test_neither_labels_nor_detections_are_changed() -> None:
    labels, found = world(1, part="segm")
    before = copy.deepcopy((labels, found))
    labelled_figures(labels, found, 0.5)
    assert (labels, found) == before


@pytest.mark.parametrize("seed", range(5))
def test_with_every_image_once_the_average_precision_is_that_of_pycocotools(seed: int) -> None:
    labels, found = world(seed)
    (computed,) = drawn_precision(labels, found, np.ones((1, len(labels["images"])), np.int64))
    stats = directly(labels, found, "bbox").stats
    assert (computed.mean(), computed[0]) == pytest.approx((stats[0], stats[1]), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_an_image_that_counts_twice_is_like_a_copy_of_it(seed: int) -> None:
    labels, found = world(seed, images=6)
    weights = np.array([2, 0, 1, 1, 3, 0])
    drawn: dict[str, Any] = {**labels, "images": [], "annotations": []}
    copied: list[dict[str, Any]] = []
    for image, times in enumerate(weights.tolist()):
        for _ in range(times):
            number = len(drawn["images"])
            drawn["images"].append({**labels["images"][image], "id": number})
            ours = [one for one in labels["annotations"] if one["image_id"] == image]
            drawn["annotations"] += [{**one, "image_id": number} for one in ours]
            copied += [{**one, "image_id": number} for one in found if one["image_id"] == image]
    for index, one in enumerate(drawn["annotations"]):
        one["id"] = index + 1
    expected = directly(drawn, copied, "bbox").stats[0]
    # Equal scores are in another order there.
    (computed,) = drawn_precision(labels, found, weights[None])
    assert computed.mean() == pytest.approx(expected, abs=0.02)


def test_draws_without_an_object_have_no_average_precision() -> None:
    labels, found = world(3, images=4)
    computed = drawn_precision(labels, found, np.array([[0, 0, 0, 0], [1, 1, 1, 1]]))
    assert np.isnan(computed).all(1).tolist() == [True, False]


def test_the_standard_error_is_the_spread_over_datasets_of_the_same_kind() -> None:
    values = [labelled_figures(*world(seed, images=40), 0.5)["boxes"] for seed in range(30)]
    values = [{**one, **one["at_threshold"]} for one in values]
    for name in ("map50_95", "map50", "f1"):
        spread = float(np.std([one[name] for one in values], ddof=1))
        told = float(np.mean([one[f"{name}_standard_error"] for one in values]))
        assert told == pytest.approx(spread, rel=0.4), name


def test_the_standard_error_is_the_same_every_time_and_none_for_one_image() -> None:
    first, second = (labelled_figures(*world(3), 0.5)["boxes"]["map50_95_standard_error"] for _ in range(2))
    assert first == second > 0
    assert labelled_figures(labelled(0), [detection(0.9, 0)], 0.5)["boxes"]["map50_95_standard_error"] is None
