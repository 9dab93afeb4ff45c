"""All that a preview shows, as in `…_preview.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ShownObject(BaseModel):
    """One object, or a class of the whole image.

    Attributes:
        number: the index of its class.
        name: of its class; its number if the class has no name. It can hold any character.
        score: from 0 to 1; None for labels.
        box: left, top, width, height in pixels of the image; None for a class of the whole image.
        keypoints: x, y and how visible it is (0 to 1; of labels 0, 1, 2), of each point.
        mask: COCO's run lengths, `size` and `counts`; None if there is none.
        mark: how it differs from the float network; a missed one is the float network's own.
        float_box: the box of the float network, if it was moved.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    number: int = Field(alias="class")
    name: str
    score: float | None
    box: tuple[float, float, float, float] | None
    keypoints: tuple[float, ...] = ()
    mask: dict[str, Any] | None = None
    mark: Literal["none", "missed", "extra", "moved"]
    float_box: tuple[float, float, float, float] | None = None


class ShownTile(BaseModel):
    """An image as it is drawn in one column.

    Attributes:
        tile: the name of its picture (WebP, at most 640 pixels wide) in `…_preview.zip`.
        objects: those that are drawn; the ones that were missed come last.
    """

    model_config = ConfigDict(frozen=True)

    tile: str
    objects: tuple[ShownObject, ...]


class ShownImage(BaseModel):
    """One image.

    Attributes:
        path: its name, as the dataset or the user has it. It can hold any character.
        width, height: in pixels.
        disagreement: the mean difference of the cvimodels to the float network: 0 if they find the same;
            each missed and each extra object adds its score.
        columns: in the order of the preview's columns.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    width: int
    height: int
    disagreement: float
    columns: tuple[ShownTile, ...]


class Column(BaseModel):
    """One column.

    Attributes:
        name: `labels`, `float`, or the variant's.
        reason: why the camera shows nothing of this network; empty if it does, or if the view is the field's.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["labels", "float", "variant"]
    reason: str = ""


class Preview(BaseModel):
    """The contents of `…_preview.json`.

    Attributes:
        view: as the camera shows it, or as the field measures it.
        kind: the kind of model that the camera takes the network for.
        thresholds: the least `score` that is shown, and the `overlap` at which the camera drops the weaker
            of two boxes.
        classes: the names of the classes, by index.
        measured: of how many images these were chosen.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    model: str
    view: Literal["camera", "field"]
    kind: str
    thresholds: dict[str, float]
    classes: tuple[str, ...]
    measured: int
    columns: tuple[Column, ...]
    images: tuple[ShownImage, ...]
