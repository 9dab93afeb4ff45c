"""Labels as values, and the one form in which they are written: COCO JSON, always with the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["detect", "segment", "pose", "classify"]

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """A model that labels are read for.

    Attributes:
        task: the labels must have all that this task needs.
        classes: the names of the model's classes, by index; empty if they are not known.
        keypoints: the number of keypoints of an object, for the task `pose`.
    """

    task: Task
    classes: tuple[str, ...] = ()
    keypoints: int = 0


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image of the dataset: its name relative to the dataset's folder, and its size in pixels.

    The size is that after a rotation which the file asks for (EXIF).
    """

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Runs:
    """A mask as lengths of runs, column by column, the first of the background: COCO's RLE."""

    counts: tuple[int, ...]
    width: int
    height: int


# Polygons, each x, y, x, y, … in pixels; or runs. Without polygons there is no outline.
Outline = tuple[tuple[float, ...], ...] | Runs


@dataclass(frozen=True, slots=True)
class Annotation:
    """One labelled object, or the class of a whole image.

    Attributes:
        image: the index of its image.
        category: the index of the model's class.
        box: x, y of the upper left corner, width, height, in pixels; None for the class of a whole image.
        area: of the object in square pixels.
        crowd: whether it is a group of objects that are not labelled one by one.
        keypoints: x, y, visibility (0: not labelled, 1: hidden, 2: visible) of each; empty if there are none.
        outline: the object's mask; empty if there is none.
    """

    image: int
    category: int
    box: tuple[float, float, float, float] | None = None
    area: float = 0.0
    crowd: bool = False
    keypoints: tuple[float, ...] = ()
    outline: Outline = ()


@dataclass(frozen=True, kw_only=True)
class Labels:
    """All labels of a dataset.

    Attributes:
        images: in the order of the dataset's samples.
        classes: the names of the model's classes, by index.
        annotations: in the order of the labels' files.
        notes: facts that a user should know, but that are no mistakes; each with its file.
    """

    images: tuple[LabelledImage, ...]
    classes: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    notes: tuple[str, ...] = ()

    def coco(self) -> bytes:
        """Return the labels as COCO JSON: equal labels give equal bytes, whichever format they came from.

        An image's id is its index, a category's id is the index of the class. The ids of annotations begin
        with 1: pycocotools takes 0 for "no object".
        """
        return b"".join(piece.encode("ascii") for piece in self._pieces())

    def _pieces(self) -> Iterator[str]:
        yield '{"annotations":['
        for number, annotation in enumerate(self.annotations):
            yield "," if number else ""
            yield _ENCODER.encode(_annotation(number + 1, annotation))
        categories = [{"id": index, "name": name} for index, name in enumerate(self.classes)]
        images = [
            {"id": index, "file_name": image.name, "width": image.width, "height": image.height}
            for index, image in enumerate(self.images)
        ]
        yield f'],"categories":{_ENCODER.encode(categories)},"images":{_ENCODER.encode(images)}}}\n'


def _annotation(number: int, annotation: Annotation) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": number,
        "image_id": annotation.image,
        "category_id": annotation.category,
        "iscrowd": int(annotation.crowd),
    }
    if annotation.box is None:
        return values
    values |= {"bbox": annotation.box, "area": annotation.area}
    if annotation.keypoints:
        values["keypoints"] = annotation.keypoints
        values["num_keypoints"] = sum(visibility > 0 for visibility in annotation.keypoints[2::3])
    outline = annotation.outline
    if isinstance(outline, Runs):
        values["segmentation"] = {"counts": outline.counts, "size": [outline.height, outline.width]}
    elif outline:
        values["segmentation"] = outline
    return values
