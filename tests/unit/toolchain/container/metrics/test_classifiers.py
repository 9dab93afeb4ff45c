from __future__ import annotations

from typing import Any

import pytest

from cvimake.toolchain.container.metrics import classifier_figures

NAMES = ("cat", "dog", "rat", "cow", "hen", "fox", "owl")


def labels(*classes: int) -> dict[str, Any]:
    return {
        "images": [{"id": index} for index in range(len(classes))],
        "categories": [{"id": index, "name": name} for index, name in enumerate(NAMES)],
        "annotations": [
            {"id": index + 1, "image_id": index, "category_id": number}
            for index, number in enumerate(classes)
        ],
    }


def results(*scores: tuple[float, ...]) -> list[dict[str, Any]]:
    return [
        {"image_id": image, "category_id": number, "score": score}
        for image, of_image in enumerate(scores)
        for number, score in enumerate(of_image)
    ]


def test_top1_and_top5_are_fractions_of_the_images() -> None:
    best_first = (0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    figures = classifier_figures(labels(0, 1, 4, 5), results(*[best_first] * 4), 0.5)
    assert (figures["images"], figures["top1"], figures["top5"]) == (4, 0.25, 0.75)
    assert figures["top1_standard_error"] == pytest.approx(0.25)
    assert figures["classes"]["cat"] == {"images": 1, "top1": 1.0}
    assert figures["classes"]["dog"] == {"images": 1, "top1": 0.0}
    assert figures["classes"]["owl"] == {"images": 0, "top1": None}


def test_the_most_frequent_confusion_comes_first() -> None:
    found = results((0.9, 0.1), (0.9, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.1, 0.0), (float("nan"),))
    figures = classifier_figures(labels(1, 1, 0, 0, 2, 2), found, 0.5)
    assert figures["confusions"] == [
        {"of": "dog", "as": "cat", "images": 2},
        {"of": "cat", "as": "dog", "images": 1},
        {"of": "rat", "as": "cat", "images": 1},
    ]


def test_only_classes_from_the_threshold_on_are_shown() -> None:
    found = results((0.9, 0.1), (0.6, 0.4), (0.4, 0.3), (0.2, 0.8))
    rates = classifier_figures(labels(0, 1, 0, 1), found, 0.5)["at_threshold"]
    assert (rates["precision"], rates["recall"]) == (2 / 3, 0.5)
    assert rates["classes"]["cat"] == {"precision": 0.5, "recall": 0.5}
    assert rates["classes"]["owl"] == {"precision": None, "recall": None}


def test_an_image_without_a_usable_result_is_wrong() -> None:
    figures = classifier_figures(labels(0, 0), results((float("nan"),), (1.0,)), 0.5)
    assert (figures["top1"], figures["unusable"]) == (0.5, 1)


def test_two_labels_of_one_image_are_refused() -> None:
    twice = labels(0, 1)
    twice["annotations"][1]["image_id"] = 0
    with pytest.raises(ValueError, match="has two"):
        classifier_figures(twice, [], 0.5)
