"""The things that a network was found to see in one image, as values that can be written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Results = list[dict[str, Any]]


@dataclass(frozen=True)
class Seen:
    """The detections in one image, and what the network is by its outputs.

    Attributes:
        kind: the kind of the network; empty for none.
        field_reason: why its outputs cannot be decoded as the field does it; empty if they can.
        camera_reason: why the camera shows nothing of it; empty if it shows what it finds.
        points: the number of keypoints of each object.
        field: what is found as average precision is measured, in COCO's format of results.
        camera: what is found as the camera shows it, in the same format.
        compared: for each output the sums of `decoders.comparison`, as lists; empty for most images where a
            decoder fits.
    """

    kind: str
    field_reason: str
    camera_reason: str
    points: int
    field: Results
    camera: Results
    compared: list[list[list[float]]]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return dict(vars(self))


def of_json(values: Any, images: Sequence[int]) -> list[Seen]:  # noqa: ANN401 - whatever a file holds
    """Return what was seen in some images, from their JSON values.

    Args:
        values: a list with the value of each image.
        images: the ids of the images.

    Raises:
        TypeError: something is of another type.
        ValueError: it is of other images.
    """
    if len(values) != len(images):
        raise ValueError(f"{len(images)} images are expected, and there are {len(values)}")
    return [_of_json(value, image) for value, image in zip(values, images, strict=True)]


def _of_json(value: dict[str, Any], image: int) -> Seen:
    seen = Seen(**value)
    texts = seen.kind, seen.field_reason, seen.camera_reason
    if not all(isinstance(text, str) for text in texts) or not isinstance(seen.points, int):
        raise TypeError(f"what was seen in image {image} has other types")
    for one in (*seen.field, *seen.camera):
        numbers = (one["score"], *one.get("bbox", ()), *one.get("keypoints", ()))
        if one["image_id"] != image or not isinstance(one["category_id"], int):
            raise ValueError(f"a detection is of another image than {image}, or has no class")
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError(f"a detection in image {image} has something else than numbers")
    if not all(isinstance(number, float) for sums in seen.compared for row in sums for number in row):
        raise TypeError(f"what was compared in image {image} are no numbers")
    return seen
