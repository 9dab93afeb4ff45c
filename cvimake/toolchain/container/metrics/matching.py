"""Matches detections with labels with the results of pycocotools, and much less work.

pycocotools goes through all pairs of detections and objects for each overlap and each range of sizes. Most
pairs do not overlap, and most ranges ignore the same objects, so that only little of this is needed.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

Matrix = NDArray[np.float64]
# pycocotools takes no larger overlap as the least.
_LARGEST = 1 - 1e-10
_SCORE = operator.itemgetter("score")


class Matching(COCOeval):  # type: ignore[misc] # pycocotools has no types
    """pycocotools' evaluation with other loops, for the largest number of detections alone.

    Of `evalImgs` and `eval`, it makes those members that the figures use.
    """

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - pycocotools'
        super().__init__(*arguments)
        # Each number of detections is accumulated anew, and the figures use only this one.
        self.params.maxDets = self.params.maxDets[-1:]
        self._pairs: dict[tuple[int, int], _Pair] = {}

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: ANN401, N802, N803 - pycocotools'
        """Return the overlaps of the detections and the objects of one class in one image."""
        key = imgId, catId
        # pycocotools returns the same, after sorting the detections.
        return super().computeIoU(*key) if self._gts[key] and self._dts[key] else []

    def evaluateImg(  # noqa: N802 - pycocotools'
        self,
        imgId: int,  # noqa: N803 - pycocotools'
        catId: int,  # noqa: N803 - pycocotools'
        aRng: Sequence[float],  # noqa: N803 - pycocotools'
        maxDet: int,  # noqa: N803 - pycocotools'
    ) -> dict[str, Any] | None:
        """Return the matches of one class in one image, for objects of one range of sizes."""
        key = imgId, catId
        if not self._gts[key] and not self._dts[key]:
            return None
        pair = self._pairs.get(key)
        if pair is None:
            limits = [min(float(limit), _LARGEST) for limit in self.params.iouThrs]
            pair = _Pair(self._gts[key], self._dts[key], self.ious[key], limits, maxDet)
            self._pairs[key] = pair
            pair.match(self.params.areaRng)
        return {"image_id": imgId, "category_id": catId, **pair.matches[self.params.areaRng.index(aRng)]}

    def accumulate(self) -> None:
        """Compute `precision` at each recall, and `recall`; -1 for a class without objects."""
        limits, recalls, images = self.params.iouThrs, self.params.recThrs, len(self.params.imgIds)
        groups = len(self.params.catIds), len(self.params.areaRng)
        precision = np.full((len(limits), len(recalls), *groups, 1), -1.0)
        recall = np.full((len(limits), *groups, 1), -1.0)
        for number, (category, size) in enumerate(np.ndindex(groups)):
            of_images = self.evalImgs[number * images : (number + 1) * images]
            found = [one for one in of_images if one is not None]
            objects = sum(int(np.count_nonzero(one["gtIgnore"] == 0)) for one in found)
            if not objects:
                continue
            scores = np.concatenate([one["dtScores"] for one in found])
            order = np.argsort(-scores, kind="mergesort")
            matched = np.concatenate([one["dtMatches"] for one in found], axis=1)[:, order] != 0
            counted = ~np.concatenate([one["dtIgnore"] for one in found], axis=1)[:, order]
            right, wrong = (np.cumsum(those & counted, axis=1).astype(float) for those in (matched, ~matched))
            reached = right / objects
            precise = right / (wrong + right + np.spacing(1))
            # The best precision at this recall or more.
            best = np.maximum.accumulate(precise[:, ::-1], axis=1)[:, ::-1]
            recall[:, category, size, 0] = reached[:, -1] if len(scores) else 0
            for row in range(len(limits)):
                places = np.searchsorted(reached[row], recalls, side="left")
                read = np.zeros(len(recalls))
                read[places < len(scores)] = best[row, places[places < len(scores)]]
                precision[row, :, category, size, 0] = read
        self.eval = {"precision": precision, "recall": recall}


class _Pair:
    """The objects and the detections of one class in one image.

    Args:
        labels: the objects.
        detections: in any order.
        overlaps: `[detections, objects]`, the surest detections first; empty if there are none.
        limits: the overlaps that count, the least first.
        most: how many detections count.
    """

    def __init__(
        self,
        labels: Sequence[dict[str, Any]],
        detections: Sequence[dict[str, Any]],
        overlaps: Matrix | list[Any],
        limits: Sequence[float],
        most: int,
    ) -> None:
        surest = sorted(detections, key=_SCORE, reverse=True)[:most]
        self._labels, self._limits = labels, limits
        self._scores = np.array([one["score"] for one in surest], np.float64)
        self._areas = np.array([one["area"] for one in surest], np.float64)
        # A NaN, of boxes without an area, counts as an overlap there.
        near = len(overlaps) > 0 and not np.max(overlaps) < limits[0]
        self._overlaps: list[list[float]] = np.array(overlaps).tolist() if near else []
        self.matches: list[dict[str, NDArray[Any]]] = []

    def match(self, sizes: Sequence[Sequence[float]]) -> None:
        """Make `matches`, members of pycocotools' `evalImgs`, for each range of sizes."""
        low, high = np.array(sizes, np.float64).T[..., None]
        outside = (self._areas < low) | (self._areas > high)
        known: dict[tuple[bool, ...], tuple[Matrix, NDArray[np.bool_], NDArray[np.int64]]] = {}
        for place, (least, most) in enumerate(sizes):
            ignored = tuple(
                bool(one["ignore"] or one["area"] < least or one["area"] > most) for one in self._labels
            )
            if ignored not in known:
                known[ignored] = *self._matched(ignored), np.array(ignored, np.int64)
            found, ignoring, of_labels = known[ignored]
            self.matches.append(
                {
                    "dtMatches": found,
                    "dtScores": self._scores,
                    "gtIgnore": of_labels,
                    "dtIgnore": ignoring | ((found == 0) & outside[place]),
                }
            )

    def _matched(self, ignored: tuple[bool, ...]) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return the id of each detection's object, 0 without one, and whether this object is ignored.

        Both are `[limits, detections]`.

        Args:
            ignored: for each object, whether it is.
        """
        shape = len(self._limits), len(self._scores)
        matches, ignoring = np.zeros(shape), np.zeros(shape, bool)
        # Those that are not ignored are looked at first.
        order = sorted(range(len(ignored)), key=ignored.__getitem__)
        taken = [[False] * len(ignored) for _ in self._limits]
        for place, overlaps in enumerate(self._overlaps):
            near = [(label, overlaps[label]) for label in order if not overlaps[label] < self._limits[0]]
            for row, limit in enumerate(self._limits if near else ()):
                label = self._best(near, limit, taken[row], ignored)
                if label >= 0:
                    taken[row][label] = True
                    matches[row, place] = self._labels[label]["id"]
                    ignoring[row, place] = ignored[label]
        return matches, ignoring

    def _best(
        self,
        near: Sequence[tuple[int, float]],
        limit: float,
        taken: Sequence[bool],
        ignored: Sequence[bool],
    ) -> int:
        """Return the place of the free object that overlaps most; -1 if there is none."""
        best = -1
        for label, overlap in near:
            if taken[label] and not self._labels[label]["iscrowd"]:
                continue
            if best >= 0 and not ignored[best] and ignored[label]:
                break
            if not overlap < limit:
                best, limit = label, overlap
        return best
