"""Top-1 and top-5 of a classifier, and precision and recall at one threshold of the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from . import standard_error
from .evaluation import Labels, Result, usable

Figures = dict[str, Any]

_MANY = 5
# Rarer confusions are left out: with a thousand classes, there can be a million.
_MOST_CONFUSIONS = 20


def ranked(results: Sequence[Result]) -> dict[int, list[tuple[int, float]]]:
    """Return classes and scores of each image, the surest first; equal scores are in the order of the ids."""
    of_image: dict[int, list[tuple[int, float]]] = {}
    for one in results:
        of_image.setdefault(one["image_id"], []).append((one["category_id"], float(one["score"])))
    for found in of_image.values():
        found.sort(key=lambda pair: (-pair[1], pair[0]))
    return of_image


def classifier_figures(labels: Labels, results: Sequence[Result], threshold: float) -> Figures:
    """Return all figures of a classifier.

    Args:
        labels: a COCO dict with one annotation for each image; it needs no box.
        results: `image_id`, `category_id` and `score` of the five surest classes of each image, or of more.
        threshold: the score from which on the camera shows a class.

    Returns:
        `images`, `unusable` (left out: NaN or infinity), `top1`, `top5` (fractions of the
        images), their standard errors, `classes` (`images` and `top1` by the name of the class),
        `confusions` (see the function of this name), and `at_threshold`: `threshold`, `precision` (of the
        classes that are shown, the fraction that is right), `recall` (of all images, the fraction that is
        shown with the right class), and both for each class.

    Raises:
        ValueError: an image has two labels.
    """
    good = usable(results)
    truth = {one["image_id"]: one["category_id"] for one in labels["annotations"]}
    if len(truth) < len(labels["annotations"]):
        raise ValueError("an image of a classifier has one label, and here one has two")
    found = ranked(good)
    best = {image: found[image][0] if image in found else (None, 0.0) for image in truth}
    top1 = _fraction(sum(best[image][0] == right for image, right in truth.items()), len(truth))
    among = [right in dict(found.get(image, [])[:_MANY]) for image, right in truth.items()]
    top5 = _fraction(sum(among), len(truth))
    names = {one["id"]: one["name"] for one in labels["categories"]}
    return {
        "images": len(truth),
        "unusable": len(results) - len(good),
        "top1": top1,
        "top1_standard_error": None if top1 is None else standard_error.of_fraction(top1, len(truth)),
        "top5": top5,
        "top5_standard_error": None if top5 is None else standard_error.of_fraction(top5, len(truth)),
        "classes": _of_classes(names, truth, best),
        "confusions": confusions(truth, {image: number for image, (number, _) in best.items()}, names),
        "at_threshold": _at_threshold(names, truth, best, threshold),
    }


def confusions(
    truth: Mapping[int, int], said: Mapping[int, int | None], names: Mapping[int, str]
) -> list[Figures]:
    """Return how often one class was taken for another, the most frequent first: `of`, `as`, `images`.

    Args:
        truth: the class of each image.
        said: the class that it was taken for; None for none.
        names: of the classes; one without a name gets its number.
    """
    pairs = Counter(
        (right, number)
        for image, right in truth.items()
        if (number := said.get(image)) is not None and number != right
    )
    # Equal ones are in the order of the classes.
    order = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))[:_MOST_CONFUSIONS]
    return [
        {"of": names.get(right, str(right)), "as": names.get(number, str(number)), "images": count}
        for (right, number), count in order
    ]


def _fraction(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _of_classes(
    names: Mapping[int, str], truth: Mapping[int, int], best: Mapping[int, tuple[int | None, float]]
) -> Figures:
    images = Counter(truth.values())
    right = Counter(number for image, number in truth.items() if best[image][0] == number)
    return {
        name: {"images": images[number], "top1": _fraction(right[number], images[number])}
        for number, name in names.items()
    }


def _at_threshold(
    names: Mapping[int, str],
    truth: Mapping[int, int],
    best: Mapping[int, tuple[int | None, float]],
    threshold: float,
) -> Figures:
    shown = {image: number for image, (number, score) in best.items() if score >= threshold}
    images, said = Counter(truth.values()), Counter(shown.values())
    right = Counter(number for image, number in shown.items() if truth[image] == number)
    return {
        "threshold": threshold,
        "precision": _fraction(sum(right.values()), len(shown)),
        "recall": _fraction(sum(right.values()), len(truth)),
        "classes": {
            name: {
                "precision": _fraction(right[number], said[number]),
                "recall": _fraction(right[number], images[number]),
            }
            for number, name in names.items()
        },
    }
