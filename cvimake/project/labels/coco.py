"""Reads labels in COCO's JSON: boxes, keypoints and masks, or the class of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cvimake.project.labels import geometry
from cvimake.project.labels.findings import MOST_ANNOTATIONS, Findings, shown
from cvimake.project.labels.image_names import ImageNames
from cvimake.project.labels.json_elements import Element, JsonFaultError, elements
from cvimake.project.labels.matching import matched
from cvimake.project.labels.values import Annotation, LabelledImage, Outline, Purpose

_NOT_A_MODELS_CLASS, _NOT_IN_THE_DATASET = -1, -1
_NOT_IN_DATASET = "{count} images in it are not in the dataset, and are left out"
_EMPTY = "{count} boxes without an area are left out"


class CocoFile:
    """A COCO file while it is read.

    Args:
        path: for the places of mistakes.
        text: of the file.
        images: of the dataset.
        folder: the dataset's folder; the images' names are relative to it.
        purpose: the model that the labels are for.
        findings: takes mistakes and notes.
    """

    def __init__(  # noqa: PLR0913 - the file, what it is for, and where to tell about it
        self,
        path: Path,
        text: str,
        *,
        images: Sequence[LabelledImage],
        folder: Path,
        purpose: Purpose,
        findings: Findings,
    ) -> None:
        self._path, self._text, self._findings = path, text, findings
        self._images, self._purpose = images, purpose
        self._names = ImageNames(images, folder)
        self._image_of: dict[object, int] = {}
        self._class_of: dict[object, int] = {}
        self.classes = purpose.classes

    def annotations(self) -> list[Annotation]:
        """Return the annotations of the dataset's images and the model's classes."""
        try:
            # Programs write the three arrays in any order.
            self._read_images_and_categories()
            return [] if self._findings.is_full else self._read_annotations()
        except JsonFaultError as error:
            self._findings.mistake(self._place(error.offset), str(error))
            return []

    def _place(self, offset: int) -> str:
        return f"{self._path}:{self._text.count(chr(10), 0, offset) + 1}"

    def _mistake(self, element: Element, what: str) -> None:
        # To find a line takes time, which is wasted on a mistake that is not shown.
        place = self._path if self._findings.is_full else self._place(element.offset)
        self._findings.mistake(place, f"{element.key}: {what}")

    def _read_images_and_categories(self) -> None:
        found: dict[int, Element] = {}
        names: dict[object, str] = {}
        for element in elements(self._text, {"images", "categories"}):
            value = element.value
            known = self._image_of if element.array == "images" else names
            wanted = "file_name" if element.array == "images" else "name"
            if not isinstance(value, dict) or not isinstance(value.get(wanted), str):
                self._mistake(element, f"has no {wanted}")
            elif not isinstance(value.get("id"), int | str):
                self._mistake(element, "has no id")
            elif value["id"] in known:
                self._mistake(element, f"the id {shown(value['id'])} is there twice")
            elif element.array == "categories":
                names[value["id"]] = value["name"]
            else:
                self._image_of[value["id"]] = self._matched_image(element, value, found)
        if not names:
            self._findings.mistake(self._path, "has no categories: the names of the classes")
        for index, image in enumerate(self._images):
            if index not in found:
                self._findings.mistake(self._path, f"images: the dataset's image {image.name} is missing")
        self._match_classes(names)

    def _matched_image(self, element: Element, value: Mapping[str, object], found: dict[int, Element]) -> int:
        """Return the index of the dataset's image that an element is about."""
        name = str(value["file_name"])
        indices = self._names.of(name)
        if not indices:
            self._findings.note(self._path, _NOT_IN_DATASET)
            return _NOT_IN_THE_DATASET
        index = indices[0]
        image = self._images[index]
        if len(indices) > 1:
            others = " and ".join(self._images[index].name for index in indices[:2])
            self._mistake(
                element, f"{shown(name)} can be each of {others}; write the path that tells them apart"
            )
        elif index in found:
            self._mistake(element, f"{shown(name)} is the same image as {found[index].key}")
        for key, size in (("width", image.width), ("height", image.height)):
            if key in value and value[key] != size:
                self._mistake(element, f"{key} is {shown(value[key])}, but {image.name} has {size} pixels")
        found.setdefault(index, element)
        return index

    def _match_classes(self, names: Mapping[object, str]) -> None:
        if all(isinstance(number, int) for number in names):
            names = dict(sorted(names.items(), key=lambda item: item[0]))  # type: ignore[arg-type, return-value]
        distinct = tuple(dict.fromkeys(names.values()))
        if len(distinct) < len(names):
            self._findings.mistake(self._path, "two categories have the same name")
        classes = matched(self._path, distinct, self.classes, self._findings)
        self.classes = self.classes or distinct
        self._class_of = {number: classes.get(name, _NOT_A_MODELS_CLASS) for number, name in names.items()}

    def _read_annotations(self) -> list[Annotation]:
        read: list[Annotation] = []
        for element in elements(self._text, {"annotations"}):
            if len(read) == MOST_ANNOTATIONS:
                self._mistake(element, f"{MOST_ANNOTATIONS} annotations are the most")
                break
            try:
                annotation = self._annotation(element.value)
            except ValueError as error:
                self._mistake(element, str(error))
                continue
            if annotation:
                read.append(annotation)
        return read

    def _annotation(self, value: object) -> Annotation | None:
        """Return an annotation; None if it is left out.

        Raises:
            ValueError: with what is wrong in it.
        """
        if not isinstance(value, dict):
            raise ValueError("is no object")  # noqa: TRY004 - one kind of error for all
        index = _known(value, "image_id", self._image_of, "image")
        category = _known(value, "category_id", self._class_of, "category")
        if _NOT_A_MODELS_CLASS in {index, category}:
            return None
        if self._purpose.task == "classify":
            return Annotation(index, category)
        image = self._images[index]
        box = geometry.box(value.get("bbox"), image)
        if not box[2] * box[3]:
            self._findings.note(self._path, _EMPTY)
            return None
        most = (image.width + 2 * geometry.TOLERANCE) * (image.height + 2 * geometry.TOLERANCE)
        area = geometry.number(value["area"], 0, most) if "area" in value else box[2] * box[3]
        crowd = value.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise ValueError(f"iscrowd is 0 or 1, not {shown(crowd)}")
        keypoints: tuple[float, ...] = ()
        outline: Outline = ()
        if self._purpose.task == "pose":
            count = self._purpose.keypoints
            # A person of whom no keypoint is labelled can be without the list.
            keypoints = geometry.keypoints(value.get("keypoints", [0, 0, 0] * count), count, image)
        elif self._purpose.task == "segment":
            outline = geometry.outline(value.get("segmentation"), image)
        return Annotation(index, category, box, area, bool(crowd), keypoints, outline)


def _known(value: Mapping[str, object], key: str, known: Mapping[object, int], what: str) -> int:
    number = value.get(key)
    if not isinstance(number, int | str) or number not in known:
        raise ValueError(f"{key} is {shown(number)}, and there is no {what} with this id")
    return known[number]
