"""Computes precision over recall from the detections and labels that a build has kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cvimake.pipeline import files
from cvimake.project import DeclaredModel
from cvimake.report.data import Curve
from cvimake.report.tables import json_list

# pycocotools has this threshold of overlap first: 0.5.
_OVERLAP, _ALL_SIZES, _MOST = 0, 0, -1
_DIGITS = 3


def of_model(model: DeclaredModel, networks: Sequence[tuple[str, str]]) -> tuple[tuple[Curve, ...], str]:
    """Return the curves of networks at an overlap of 0.5, or the reason why there are none.

    Args:
        model: one that is measured.
        networks: the name of each network in the report, and the beginning of the names of its files.
    """
    declared = model.accuracy
    if declared is None or not declared.labels:
        return (), "The dataset has no labels, so there is no precision and recall."
    if declared.options.task != "detect":
        return (), "Precision and recall are drawn for detectors alone."
    labels = json.loads(declared.labels)
    found = []
    for name, stem in networks:
        detections = json_list(files.place(model.name, files.detections(stem)))
        if detections is not None:
            found.append(Curve(name=name, precision=_precision(labels, detections)))
    return tuple(found), "" if found else "The detections are no longer in build: build the model again."


def _precision(labels: Any, detections: list[Any]) -> tuple[float, ...]:  # noqa: ANN401 - any JSON value
    """Return the precision at each of 101 recalls, the mean of all classes that have objects."""
    from cvimake.toolchain.container.metrics.evaluation import evaluate, usable  # noqa: PLC0415 - pycocotools is only there for a report

    known = {image["id"] for image in labels["images"]}
    own = [one for one in usable(detections) if one.get("image_id") in known and "bbox" in one]
    # [overlaps, recalls, classes, sizes, most detections]; -1 for a class without objects.
    table = evaluate(labels, own, "bbox").eval["precision"][_OVERLAP, :, :, _ALL_SIZES, _MOST]
    rows = [[float(value) for value in row if value >= 0] for row in table]
    return tuple(round(math.fsum(row) / len(row), _DIGITS) if row else 0.0 for row in rows)
