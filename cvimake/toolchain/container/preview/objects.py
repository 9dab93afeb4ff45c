"""The objects in an image: labelled, or found by a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pycocotools import mask as coco_mask

# Left, top, width, height in pixels of the image.
Box = tuple[float, float, float, float]
Mark = Literal["none", "missed", "extra", "moved"]


@dataclass(frozen=True)
class Seen:
    """One object, or a class of the whole image.

    Attributes:
        number: the index of its class.
        score: from 0 to 1; None for labels.
        box: None for a class of the whole image.
        keypoints: x, y and how visible it is, of each point; empty if there are none.
        mask: COCO's run lengths over the image; None if there is none.
    """

    number: int
    score: float | None
    box: Box | None = None
    keypoints: tuple[float, ...] = ()
    mask: Mapping[str, Any] | None = None

    @property
    def weight(self) -> float:
        """Return how much it counts: its score."""
        return 1.0 if self.score is None else self.score


@dataclass(frozen=True)
class Marked:
    """An object as it is shown for a network.

    Attributes:
        seen: the object; if it was missed, that of the float network.
        mark: how it differs from the float network.
        before: where the float network has it, if it was moved.
    """

    seen: Seen
    mark: Mark = "none"
    before: Seen | None = None


def of_results(results: Sequence[Mapping[str, Any]], *, least: float, most: int) -> dict[int, list[Seen]]:
    """Return the objects of each image, by the image's id, the surest first.

    Args:
        results: COCO's.
        least: the score from which on an object counts.
        most: objects of one image that count.
    """
    found: dict[int, list[Seen]] = defaultdict(list)
    for result in results:
        if result["score"] >= least:
            box = result.get("bbox")
            found[result["image_id"]].append(
                Seen(
                    result["category_id"],
                    result["score"],
                    (box[0], box[1], box[2], box[3]) if box else None,
                    tuple(result.get("keypoints", ())),
                    result.get("segmentation"),
                )
            )
    return {image: sorted(seen, key=lambda one: -one.weight)[:most] for image, seen in found.items()}


def of_labels(labels: Mapping[str, Any]) -> dict[int, list[Seen]]:
    """Return the labelled objects of each image, by the image's id; crowds are left out."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in labels["images"]}
    found: dict[int, list[Seen]] = defaultdict(list)
    for one in labels["annotations"]:
        if one.get("iscrowd"):
            continue
        box, image = one.get("bbox"), one["image_id"]
        found[image].append(
            Seen(
                one["category_id"],
                None,
                (box[0], box[1], box[2], box[3]) if box else None,
                tuple(one.get("keypoints", ())),
                _packed(one.get("segmentation"), *sizes[image]),
            )
        )
    return dict(found)


def as_json(marked: Marked, names: Mapping[int, str]) -> dict[str, Any]:
    """Return an object for the listing."""
    seen, before = marked.seen, marked.before
    return {
        "class": seen.number,
        "name": names.get(seen.number, str(seen.number)),
        "score": seen.score,
        "box": _numbers(seen.box) if seen.box else None,
        "keypoints": _numbers(seen.keypoints),
        "mask": dict(seen.mask) if seen.mask else None,
        "mark": marked.mark,
        "float_box": _numbers(before.box) if before and before.box else None,
    }


def _numbers(values: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def _packed(outline: Any, height: int, width: int) -> Mapping[str, Any] | None:  # noqa: ANN401 - JSON of labels
    """Return an outline of labels, polygons or runs, as packed run lengths."""
    if not outline:
        return None
    if isinstance(outline, dict) and isinstance(outline["counts"], str):
        return outline
    packed = coco_mask.frPyObjects(outline, height, width)
    whole = coco_mask.merge(packed) if isinstance(packed, list) else packed
    return {"size": [height, width], "counts": whole["counts"].decode("ascii")}
