"""Reads labels as Ultralytics writes them: one txt beside each image, a line for each object.

A line is the class's index and numbers that are fractions of the image's size: `x y w h` with the centre of
the box; `x y x y ...` of an outline; or `x y w h` and the keypoints, with or without their visibility.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cvimake.core import toml
from cvimake.project.labels import geometry
from cvimake.project.labels.findings import MOST_ANNOTATIONS, Findings, shown
from cvimake.project.labels.values import Annotation, LabelledImage, Purpose

# About 100,000 boxes, or outlines of 400,000 corners.
_MOST_BYTES = 4 * 1024 * 1024
_BOX, _OUTLINE = 4, 6
# Ultralytics takes this part of a box for the area of a person, where keypoints are compared
# (`ultralytics/models/yolo/pose/val.py`, from xtcocotools).
_AREA_OF_A_POSE = 0.53
# Fractions of the image's size that a coordinate may lie outside of it, because of rounding.
_ROUNDING = 0.01
_VISIBLE = 2.0
# Numbers of a keypoint: x, y and whether it is visible. Without the last one there are two.
_WITH_VISIBILITY = 3
_EMPTY = "{count} boxes without an area are left out"


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The meaning of a dataset's lines.

    Attributes:
        classes: the index of the model's class for each index in a line; None for a class that the model
            does not have.
        keypoints: of each object; 0 if lines have none.
        keypoint_size: the numbers of a keypoint; 0 if the length of a line shows it.
    """

    classes: Mapping[int, int | None]
    keypoints: int = 0
    keypoint_size: int = 0


def beside_images(image: Path, root: Path) -> Path | None:
    """Return the txt of an image: in `labels` if the image is in `images`, otherwise beside the image.

    None if the image is not below the root, the folder of the data.yaml.
    """
    try:
        *folders, name = image.relative_to(root).parts
    except ValueError:
        return None
    return root.joinpath(*of_images(folders), name).with_suffix(".txt")


def of_images(folders: Sequence[str]) -> list[str]:
    """Return the folders of labels from those of their images: the last `images` becomes `labels`."""
    parts = list(folders)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return parts


def in_folder(name: str, folder: Path) -> Path:
    """Return the txt of an image in a folder of txt files: with the same name, and the same folders."""
    return folder / PurePosixPath(name).with_suffix(".txt")


def read(  # noqa: PLR0913 - the files, what they are for, and where to tell about them
    place: Path,
    files: Sequence[Path],
    images: Sequence[LabelledImage],
    *,
    lines: Lines,
    purpose: Purpose,
    findings: Findings,
) -> list[Annotation]:
    """Return the annotations of all images.

    Args:
        place: the declared labels, for mistakes and notes about all of them.
        files: the txt of each image; a missing one means that the image has no objects.
        images: of the dataset.
        lines: the meaning of the lines.
        purpose: the model that the labels are for.
        findings: takes mistakes and notes.
    """
    annotations: list[Annotation] = []
    missing = 0
    for index, (path, image) in enumerate(zip(files, images, strict=True)):
        text = _text(path, findings)
        if text is None:
            missing += 1
            continue
        annotations += _of_image(path, text, _LineReader(index, image, lines, purpose), place, findings)
        if len(annotations) > MOST_ANNOTATIONS:
            findings.mistake(place, f"{MOST_ANNOTATIONS} annotations are the most")
            return []
    if images and missing == len(images):
        findings.mistake(place, f"no image has labels; those of {images[0].name} would be {files[0]}")
    elif missing:
        what = "{count} images have no file of labels, and count as images without objects"
        findings.note(place, what, missing)
    return annotations


def _of_image(
    path: Path, text: str, reader: _LineReader, place: Path, findings: Findings
) -> Iterator[Annotation]:
    for number, line in enumerate(text.splitlines(), 1):
        annotation, fault = reader.read(line)
        if fault:
            findings.mistake(f"{path}:{number}", fault)
        elif annotation:
            yield annotation
    for what, count in reader.left_out.items():
        findings.note(place, what, count)


def _text(path: Path, findings: Findings) -> str | None:
    try:
        return toml.read_plain(path, _MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        findings.mistake(path, "not UTF-8 text")
    except OSError as error:
        findings.mistake(path, f"cannot be read: {error.strerror}")
    except ValueError as error:
        findings.mistake(path, str(error))
    return ""


class _LineReader:
    """Reads the lines of one image.

    Attributes:
        left_out: the number of lines that became no annotation, by the reason.
    """

    def __init__(self, index: int, image: LabelledImage, lines: Lines, purpose: Purpose) -> None:
        self._index, self._image, self._lines, self._purpose = index, image, lines, purpose
        self._seen: set[str] = set()
        self.left_out: dict[str, int] = {}

    def read(self, line: str) -> tuple[Annotation | None, str]:
        """Return the annotation of a line, None if it has none or is left out, and what is wrong in it."""
        try:
            return self._annotation(line), ""
        except ValueError as error:
            return None, str(error)

    def _annotation(self, line: str) -> Annotation | None:
        fields = line.split()
        if not fields:
            return None
        category = self._category(fields[0])
        values = [_fraction(field) for field in fields[1:]]
        if category is None:
            self._leave_out("{count} objects of classes that the model does not have are left out")
            return None
        if line in self._seen:
            self._leave_out("{count} objects are there twice, and are left out once")
            return None
        self._seen.add(line)
        if len(values) == _BOX:
            return self._boxed(category, values)
        if self._keypoint_size(len(values)):
            return self._posed(category, values)
        if not self._lines.keypoints and len(values) >= _OUTLINE and len(values) % 2 == 0:
            return self._outlined(category, values)
        raise ValueError(
            f"has {len(fields)} values; a line is a class and x, y, width, height, or the corners of an "
            f"outline, or the box and {self._lines.keypoints or 'the'} keypoints"
        )

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def _category(self, text: str) -> int | None:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        # Some programs write the index as 0.0.
        if number not in self._lines.classes:
            raise ValueError(
                f"the class {shown(text)} is none of the indices 0 to {len(self._lines.classes) - 1}"
            )
        return self._lines.classes[int(number)]

    def _box(self, values: Sequence[float]) -> geometry.Box | None:
        """Return the box in pixels; None for an empty one, which is left out."""
        x, y, width, height = values
        corner = (x - width / 2) * self._image.width, (y - height / 2) * self._image.height
        box = geometry.box((*corner, width * self._image.width, height * self._image.height), self._image)
        if box[2] * box[3]:
            return box
        self._leave_out(_EMPTY)
        return None

    def _boxed(self, category: int, values: Sequence[float]) -> Annotation | None:
        missing = {"segment": "the outline", "pose": "the keypoints"}.get(self._purpose.task)
        if missing:
            raise ValueError(f"has a box, but not {missing} that this model is measured with")
        box = self._box(values)
        return Annotation(self._index, category, box, box[2] * box[3]) if box else None

    def _keypoint_size(self, count: int) -> int:
        """Return the numbers of each keypoint in a line with so many values; 0 if it has no keypoints."""
        if not self._lines.keypoints:
            return 0
        sizes = [self._lines.keypoint_size] if self._lines.keypoint_size else [2, 3]
        return next((size for size in sizes if count == _BOX + size * self._lines.keypoints), 0)

    def _posed(self, category: int, values: Sequence[float]) -> Annotation | None:
        box = self._box(values[:_BOX])
        if box is None or self._purpose.task == "detect":
            return Annotation(self._index, category, box, box[2] * box[3]) if box else None
        if self._purpose.task != "pose":
            raise ValueError("has keypoints, but not the outline that this model is measured with")
        size = self._keypoint_size(len(values))
        found: list[float] = []
        for start in range(_BOX, len(values), size):
            x, y = values[start : start + 2]
            # A keypoint at 0, 0 is one that is not labelled.
            visibility = values[start + 2] if size == _WITH_VISIBILITY else _VISIBLE if x or y else 0.0
            found += [x * self._image.width, y * self._image.height, visibility]
        keypoints = geometry.keypoints(found, self._lines.keypoints, self._image)
        return Annotation(self._index, category, box, box[2] * box[3] * _AREA_OF_A_POSE, keypoints=keypoints)

    def _outlined(self, category: int, values: Sequence[float]) -> Annotation | None:
        if self._purpose.task == "pose":
            raise ValueError("has an outline, but not the keypoints that this model is measured with")
        pixels = [
            value * (self._image.height if index % 2 else self._image.width)
            for index, value in enumerate(values)
        ]
        corners = geometry.polygon(pixels, self._image)
        xs, ys = corners[::2], corners[1::2]
        box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        if not box[2] * box[3]:
            self._leave_out(_EMPTY)
            return None
        if self._purpose.task == "detect":
            return Annotation(self._index, category, box, box[2] * box[3])
        return Annotation(self._index, category, box, _area(xs, ys), outline=(corners,))


def _area(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the area of a polygon."""
    following = (*xs[1:], xs[0]), (*ys[1:], ys[0])
    pairs = zip(xs, ys, *following, strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2


def _fraction(text: str) -> float:
    """Return a number of a line. A visibility, which is up to 2, is among them."""
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not a number") from error
    if not -_ROUNDING <= value <= _VISIBLE:
        raise ValueError(f"{shown(text)} is not a fraction of the image's size, from 0 to 1")
    return value
