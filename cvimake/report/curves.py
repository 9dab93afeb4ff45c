"""Computes precision over recall from the detections and labels that a build has kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cvimake.core import digest
from cvimake.core.publication import write_whole
from cvimake.pipeline import files
from cvimake.project import DeclaredModel
from cvimake.report.data import Curve
from cvimake.report.tables import json_list, json_object

# pycocotools has this threshold of overlap first: 0.5.
_OVERLAP, _ALL_SIZES, _MOST = 0, 0, -1
_DIGITS = 3
# Raise it when the same detections give another curve.
_REVISION = 1


class Curves:
    """The curves of a project; each is computed once, as long as its labels and detections stay the same.

    Args:
        path: the file that keeps them.
        sha256: returns the sha256 of a file; raises an OSError if it cannot be read.
    """

    def __init__(self, path: Path, sha256: Callable[[Path], str]) -> None:
        self._path, self._sha256 = path, sha256
        self._known = json_object(path)
        self._used: dict[str, Any] = {}

    def of_model(
        self, model: DeclaredModel, networks: Sequence[tuple[str, str]]
    ) -> tuple[tuple[Curve, ...], str]:
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
        labels = digest.of_text(declared.labels)
        found = []
        for name, stem in networks:
            path = files.place(model.name, files.detections(stem))
            try:
                key = digest.of_value([_REVISION, labels, self._sha256(path)])
            except OSError:
                continue
            if key not in self._used:
                self._used[key] = self._known.get(key) or _precision(declared.labels, path)
            found.append(Curve(name=name, precision=tuple(self._used[key])))
        return tuple(found), "" if found else "The detections are no longer in build: build the model again."

    def keep(self) -> None:
        """Write down the curves that were used, if one of them is new."""
        if self._used.keys() - self._known.keys():
            # The report of one model must not forget the curves of the others.
            write_whole(self._path, json.dumps({**self._known, **self._used}).encode())


def _precision(labels_text: str, path: Path) -> list[float]:
    """Return the precision at each of 101 recalls, the mean of all classes that have objects."""
    from cvimake.toolchain.container.metrics.evaluation import evaluate, usable  # noqa: PLC0415 - pycocotools is only there for a report

    labels = json.loads(labels_text)
    known = {image["id"] for image in labels["images"]}
    own = [one for one in usable(json_list(path) or []) if one.get("image_id") in known and "bbox" in one]
    # [overlaps, recalls, classes, sizes, most detections]; -1 for a class without objects.
    table = evaluate(labels, own, "bbox").eval["precision"][_OVERLAP, :, :, _ALL_SIZES, _MOST]
    rows = [[float(value) for value in row if value >= 0] for row in table]
    return [round(math.fsum(row) / len(row), _DIGITS) if row else 0.0 for row in rows]
