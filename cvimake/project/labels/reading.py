"""Reads the labels that a `dataset.toml` names, in whichever format they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cvimake.core import toml
from cvimake.core.errors import DeclarationError
from cvimake.project.dataset import DeclaredDataset, Samples
from cvimake.project.labels import class_folders, ultralytics
from cvimake.project.labels.coco import CocoFile
from cvimake.project.labels.findings import Findings
from cvimake.project.labels.matching import matched
from cvimake.project.labels.values import Annotation, LabelledImage, Labels, Purpose, Task

# All images of COCO's validation with their outlines are 20 MB, those of LVIS 190 MB.
_MOST_BYTES = 256 * 1024 * 1024
_CLASSES = "classes.txt"
_YAML = frozenset({".yaml", ".yml"})
_UNNAMED = 100_000
# The most bytes of a file with names of classes.
_MOST_NAMES_BYTES = 256 * 1024


def read_labels(dataset: DeclaredDataset, purpose: Purpose) -> Labels:
    """Read the labels of a dataset for a model.

    Raises:
        DeclarationError: the dataset has no labels, or they have mistakes. The error names the first ones,
            each with its file and line, and says how many more there are.
    """
    declaration = dataset.folder / "dataset.toml"
    if dataset.labels is None:
        raise DeclarationError(f'{declaration}: has no labels; for example: labels = "labels.json"')
    try:
        samples = dataset.samples
    except OSError as error:
        raise DeclarationError(f"{error.filename}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DeclarationError(f"{declaration}: {error}") from error
    findings = Findings()
    images = _images(dataset, samples, findings)
    findings.stop_at_mistakes()
    classes, annotations = _read(dataset, dataset.labels, images, purpose, findings)
    findings.stop_at_mistakes()
    if purpose.task == "classify":
        _check_one_class_each(dataset.labels, images, annotations, findings)
    elif not annotations:
        findings.mistake(dataset.labels, "the labels are empty: no image of the dataset has an object")
    elif purpose.task == "pose" and not any(any(each.keypoints[2::3]) for each in annotations):
        what = "no object has keypoints, which a model that finds keypoints is measured with"
        findings.mistake(dataset.labels, what)
    findings.stop_at_mistakes()
    _note_missing_classes(dataset.labels, classes, annotations, findings)
    return Labels(images=images, classes=classes, annotations=tuple(annotations), notes=findings.told())


def label_files(dataset: DeclaredDataset, task: Task) -> list[Path]:
    """Return the files that labels are read from for a task, also those that are missing.

    Beside their contents, the paths and sizes of the images decide what is read.
    """
    path, names = dataset.labels, dataset.samples.files
    if path is None:
        return []
    if path.is_dir():
        # The labels of a classifier are the names of folders.
        beside = [path / _CLASSES, *(ultralytics.in_folder(name, path) for name in names)]
        return [] if task == "classify" else beside
    if path.suffix.lower() not in _YAML:
        return [path]
    root, folder = _absolute(path.parent), dataset.files_folder
    files = (ultralytics.beside_images(_absolute(folder / name), root) for name in names)
    return [path, *filter(None, files)]


def _absolute(path: Path) -> Path:
    """Return a path without `..`; links in it stay."""
    return Path(os.path.normpath(path.absolute()))


def _images(dataset: DeclaredDataset, samples: Samples, findings: Findings) -> tuple[LabelledImage, ...]:
    """Return the images of the dataset, in the order of its samples."""
    from cvimake.project.labels.image_size import image_size  # noqa: PLC0415 - slow to import: only for labels

    lines = samples.lines if samples.lines is not None else [(name,) for name in samples.files]
    images = []
    for line in lines:
        name = line[0]
        if len(line) > 1 or samples.kinds != {"image"}:
            findings.mistake(dataset.folder / "dataset.toml", "labels are for samples of one image each")
            break
        try:
            width, height = image_size(samples.files[name])
        except ValueError as error:
            findings.mistake(samples.files[name], str(error))
        else:
            images.append(LabelledImage(name, width, height))
    if not lines:
        findings.mistake(dataset.folder / "dataset.toml", "has no samples, so the labels belong to nothing")
    return tuple(images)


def _read(
    dataset: DeclaredDataset,
    path: Path,
    images: Sequence[LabelledImage],
    purpose: Purpose,
    findings: Findings,
) -> tuple[tuple[str, ...], list[Annotation]]:
    """Return the model's classes and the annotations."""
    folder = dataset.files_folder
    if path.is_dir() and purpose.task == "classify":
        return class_folders.read(path, images, folder, classes=purpose.classes, findings=findings)
    if path.is_dir():
        return _from_folder(path, images, purpose, findings)
    if path.suffix.lower() == ".json":
        text = _text(path, _MOST_BYTES, findings)
        if text is None:
            return (), []
        file = CocoFile(path, text, images=images, folder=folder, purpose=purpose, findings=findings)
        annotations = file.annotations()
        return file.classes, annotations
    if path.suffix.lower() in _YAML:
        return _from_yaml(path, images, folder, purpose, findings)
    findings.mistake(path, "is neither COCO's .json, nor a data.yaml, nor a folder")
    return (), []


def _from_yaml(
    path: Path, images: Sequence[LabelledImage], folder: Path, purpose: Purpose, findings: Findings
) -> tuple[tuple[str, ...], list[Annotation]]:
    from cvimake.project.labels import data_yaml  # noqa: PLC0415 - slow to import, and rarely needed

    if purpose.task == "classify":
        what = "a data.yaml has no labels for a classifier; declare the folder with one folder for each class"
        findings.mistake(path, what)
        return (), []
    text = _text(path, _MOST_NAMES_BYTES, findings)
    values = data_yaml.read(path, text, findings) if text is not None else data_yaml.DataYaml(names=())
    if values.keypoints and purpose.task == "pose" and values.keypoints != purpose.keypoints:
        what = f"kpt_shape has {values.keypoints} keypoints, the model {purpose.keypoints}"
        findings.mistake(values.keypoint_place, what)
    root = _absolute(path.parent)
    files = []
    for image in images:
        file = ultralytics.beside_images(_absolute(folder / image.name), root)
        if file is None:
            findings.mistake(path, f"the image {image.name} is not below the folder of this file")
        else:
            files.append(file)
    index_of = matched(path, values.names, purpose.classes, findings)
    findings.stop_at_mistakes()
    lines = ultralytics.Lines(
        classes={index: index_of.get(name) for index, name in enumerate(values.names)},
        keypoints=values.keypoints or (purpose.keypoints if purpose.task == "pose" else 0),
        keypoint_size=values.keypoint_size,
    )
    read = ultralytics.read(path, files, images, lines=lines, purpose=purpose, findings=findings)
    return purpose.classes or values.names, read


def _from_folder(
    path: Path, images: Sequence[LabelledImage], purpose: Purpose, findings: Findings
) -> tuple[tuple[str, ...], list[Annotation]]:
    """Read txt files without a data.yaml; a classes.txt beside them, which some programs write, has names."""
    names = purpose.classes
    if (path / _CLASSES).is_file():
        text = _text(path / _CLASSES, _MOST_NAMES_BYTES, findings) or ""
        names = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    index_of = matched(path / _CLASSES, names, purpose.classes, findings) if names else {}
    classes: dict[int, int | None] = {index: index_of.get(name) for index, name in enumerate(names)}
    if not names:
        classes = {index: index for index in range(_UNNAMED)}
    lines = ultralytics.Lines(classes=classes, keypoints=purpose.keypoints if purpose.task == "pose" else 0)
    files = [ultralytics.in_folder(image.name, path) for image in images]
    read = ultralytics.read(path, files, images, lines=lines, purpose=purpose, findings=findings)
    if names:
        return purpose.classes or names, read
    count = max((annotation.category for annotation in read), default=-1) + 1
    return tuple(f"{index}" for index in range(count)), read


def _text(path: Path, most: int, findings: Findings) -> str | None:
    try:
        return toml.read_plain(path, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.mistake(path, "not UTF-8 text")
    except OSError as error:
        findings.mistake(path, f"cannot be read: {error.strerror}")
    except ValueError as error:
        findings.mistake(path, str(error))
    return None


def _check_one_class_each(
    path: Path, images: Sequence[LabelledImage], annotations: Sequence[Annotation], findings: Findings
) -> None:
    counts = [0] * len(images)
    for annotation in annotations:
        counts[annotation.image] += 1
    for image, count in zip(images, counts, strict=True):
        if count != 1:
            given = f"{count} classes" if count else "no class"
            findings.mistake(path, f"{image.name} has {given}; an image of a classifier has one")


def _note_missing_classes(
    path: Path, classes: Sequence[str], annotations: Sequence[Annotation], findings: Findings
) -> None:
    missing = len(classes) - len({annotation.category for annotation in annotations})
    if missing:
        findings.note(path, "no label is of {count} of the model's classes; figures leave them out", missing)
