"""Makes the figures of a network from what was found in all images."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import metrics
from decoders.comparison import Alikeness, Comparison

Results = Sequence[dict[str, Any]]
# Digits behind the point: more would only be noise.
_DIGITS = 6
# The metric for which no labels are needed.
AGREEMENT = "agreement"
# The part of the labelled figures that a task is about.
_PARTS = {"detect": "boxes", "segment": "masks", "pose": "keypoints"}
_CLASSIFIER = "classifier"
# The kinds of network that a task needs; boxes are found by all others too.
_KIND_OF_TASK = {"classify": _CLASSIFIER, "pose": "YOLO11-pose", "segment": "YOLO11-seg"}
# A box, a score and points on each of three grids.
_HEADS_OF_A_POSE = 9
_TASK_OF_KIND = {kind: task for task, kind in _KIND_OF_TASK.items()}


class Figures:
    """The figures of one network or cvimodel.

    Args:
        options: those of the evaluation.
        labels: COCO's; None if the images have none.
        kind: the kind of model that the camera takes the network for; empty for none.
        threshold: the score from which on the camera shows something.
    """

    def __init__(
        self, options: Mapping[str, Any], labels: dict[str, Any] | None, kind: str, threshold: float
    ) -> None:
        self._options, self._labels, self._threshold = options, labels, threshold
        self._kind, self._classifies = kind, kind == _CLASSIFIER
        self.frame = {
            "images": [{"id": image["id"], "file_name": image["name"]} for image in options["images"]],
            "categories": [{"id": place, "name": name} for place, name in enumerate(options["classes"])],
        }

    @property
    def why_no_figure(self) -> str:
        """The reason why no figure of the labels stands for the whole; empty if one does."""
        if self._labels is None:
            return "the images have no labels"
        return 'metric = "agreement" is declared' if self._options["metric"] == AGREEMENT else ""

    def misfit(self, points: int | None) -> str:
        """Return why the network cannot be compared with its labels, and the remedy; empty if it can.

        Args:
            points: the number of keypoints that the network finds of each object; None if it is not known.
        """
        task = self._options["task"]
        if self._labels is None or not self._kind:
            return ""
        needed = _KIND_OF_TASK.get(task)
        if self._kind != needed if needed else self._classifies:
            finding = f"of the kind {needed}" if needed else "that finds boxes"
            return (
                f'task = "{task}" in [accuracy] needs a network {finding}, but the camera takes this one '
                f'for the kind {self._kind}: declare task = "{_TASK_OF_KIND.get(self._kind, "detect")}"'
            )
        labelled = {len(one["keypoints"]) // 3 for one in self._labels["annotations"] if "keypoints" in one}
        if points is not None and labelled - {points}:
            return (
                f"the labels have {max(labelled)} keypoints for each object, but the network finds {points}: "
                f"declare keypoints = {points} in [accuracy], with labels that have so many"
            )
        return ""

    def accuracy(self, found: Results) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Return the figure that stands for the whole, and all figures.

        There are none without labels. If the declared metric is the agreement, none stands for the whole.
        """
        if self._labels is None:
            return None, {}
        wanted = self._options["metric"]
        if self._classifies:
            figures = metrics.classifier_figures(self._labels, found, self._threshold)
            name = wanted if wanted in {"top1", "top5"} else "top1"
            if wanted == AGREEMENT:
                return None, rounded(figures)
            return _figure(name, figures[name], figures.get(f"{name}_standard_error")), rounded(figures)
        figures = metrics.labelled_figures(self._labels, found, self._threshold)
        if wanted == AGREEMENT:
            return None, rounded(figures)
        part = figures.get(_PARTS.get(self._options["task"], ""), {})
        name = "mAP50" if wanted == "mAP50" else "mAP50-95"
        key = name.lower().replace("-", "_")
        return _figure(name, part.get(key), part.get(f"{key}_standard_error")), rounded(figures)

    def agreement(self, of_float: Results, found: Results) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the figure of the agreement with the float network, and all figures of it."""
        if self._classifies:
            names = {one["id"]: one["name"] for one in self.frame["categories"]}
            figures = metrics.classifier_agreement(of_float, found, names)
            figure = _figure("same top1", figures["same_top1"], figures["same_top1_standard_error"])
            return figure, rounded(figures)
        frame = self._labels or self.frame
        figures = metrics.agreement(
            self._with_categories(frame, of_float, found), of_float, found, sure=self._threshold
        )
        same = figures["boxes"]["at_threshold"]
        return _figure("same detections", same["f1"], same["f1_standard_error"]), rounded(figures)

    @staticmethod
    def _with_categories(frame: Mapping[str, Any], *found: Results) -> dict[str, Any]:
        """Return the images and the classes; a class that has no name gets its number."""
        names = {one["id"]: one["name"] for one in frame["categories"]}
        numbers = {one["category_id"] for results in found for one in results}
        categories = [
            {"id": number, "name": names.get(number, str(number))} for number in sorted({*names, *numbers})
        ]
        return {"images": frame["images"], "categories": categories}


def no_kind(outputs: int) -> str:
    """Return why a network that the camera takes for no kind has no figures of its own.

    Args:
        outputs: how many it has.
    """
    reason = "the camera takes it for no kind of model"
    # The firmware's own rule for a YOLO26-pose (`layouts.yolo26_pose`), without that for one output: most
    # networks have one.
    if outputs >= _HEADS_OF_A_POSE:
        reason += (
            ": YOLO26-pose and YOLO26-seg are kinds only where the camera's node is told so, and no decoder "
            "is known for them; their outputs are compared"
        )
    return reason


def of_outputs(comparisons: Sequence[Comparison], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how each output compares with the float network's, over all images."""
    return [
        {
            **_alike(comparison.whole()),
            "images": comparison.count,
            "worst_image": None if (image := comparison.worst_image()) is None else names[image],
            "worst_image_signal_to_noise": _least(comparison.of_images(), image),
            "worst_channel": (channel := comparison.worst_channel()),
            "worst_channel_signal_to_noise": _least(comparison.of_channels(), channel),
        }
        for comparison in comparisons
    ]


def agreement_of_outputs(outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the least cosine of all outputs as a figure; None without outputs."""
    return _figure("cosine", min(output["cosine"] for output in outputs), None) if outputs else None


def read_results(path: Path) -> Results:
    """Return detections that an evaluation has written."""
    results: Results = json.loads(path.read_text(encoding="utf-8"))
    return results


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with all numbers rounded; a number that is not finite becomes null."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def _figure(metric: str, value: float | None, standard_error: float | None) -> dict[str, Any]:
    return {"metric": metric, "value": rounded(value), "standard_error": rounded(standard_error)}


def _alike(found: Alikeness) -> dict[str, Any]:
    return {"cosine": rounded(found.cosine), "signal_to_noise": rounded(found.noise_ratio)}


def _least(found: Sequence[Alikeness], place: int | None) -> float | None:
    number: float | None = None if place is None else rounded(found[place].noise_ratio)
    return number
