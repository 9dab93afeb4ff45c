"""Finds the validation images of an Ultralytics `data.yaml`, and chooses those to calibrate with."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import digest, toml
from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.project.dataset import Dataset, DeclaredDataset
from cvimake.project.labels import data_yaml, ultralytics
from cvimake.project.labels.findings import Findings

_MOST_BYTES = 256 * 1024
_MOST_CALIBRATED = 100
# The most characters of a path that an error shows.
_SHOWN = 400
# Another seed would choose other images, so this one never changes.
_SEED = "cvimake"


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The validation images of a network's training.

    Attributes:
        folder: the folder with the images.
        images: the images by their path in the folder.
        labels: the file or folder that `dataset.toml` names as their labels.
        keypoints: the number of keypoints of an object; 0 if there are none.
    """

    folder: Path
    images: Mapping[str, Path]
    labels: Path
    keypoints: int

    @property
    def calibrated(self) -> tuple[str, ...]:
        """The images to calibrate with: at most a hundred, always the same ones of equal names."""
        # A comma separates the files of several inputs in a list.
        names = [name for name in self.images if "," not in name]
        chosen = sorted(names, key=lambda name: digest.of_value([_SEED, name]))[:_MOST_CALIBRATED]
        return tuple(sorted(chosen))


def read(path: Path) -> TrainingSet:
    """Read a `data.yaml`, and look for the images that its `val` names.

    Raises:
        CvimakeError: it cannot be read, or its validation images are not there.
    """
    findings = Findings()
    try:
        text = toml.read_plain(path, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CvimakeError(f"--data {path}: {reason}") from error
    values = data_yaml.read(path, text, findings)
    try:
        findings.stop_at_mistakes()
    except DeclarationError as error:
        raise CvimakeError(error.cause) from error
    folder = _folder(path, values)
    found = DeclaredDataset(name="val", folder=folder, dataset=Dataset())
    try:
        images = {
            name: file for name, file in found.samples.files.items() if found.samples.kinds == {"image"}
        }
    except (OSError, ValueError) as error:
        raise CvimakeError(f"--data {path}: {error}") from error
    if not images:
        raise CvimakeError(f"--data {path}: {folder}, its val, has no images")
    return TrainingSet(folder=folder, images=images, labels=_labels(path, folder), keypoints=values.keypoints)


def _folder(path: Path, values: data_yaml.DataYaml) -> Path:
    """Return the folder of the validation images, as Ultralytics looks for it."""
    if not values.validation:
        raise CvimakeError(
            f"--data {path}: its val is no folder",
            "Only one folder of images can be taken. Declare the datasets yourself: docs/declaring.md.",
        )
    root = path.parent / values.root
    candidates = [root / values.validation, root / values.validation.removeprefix("../")]
    for folder in candidates:
        # A name that is too long is an error, and not only no folder.
        with contextlib.suppress(OSError):
            if folder.is_dir():
                return folder.resolve()
    raise CvimakeError(
        f"--data {path}: no folder {str(candidates[0])[:_SHOWN]}, which its val names",
        "Correct path and val in it, or give a data.yaml that lies with the images.",
    )


def _labels(path: Path, folder: Path) -> Path:
    """Return the labels of a folder of images: the data.yaml if they lie below it, else their own folder."""
    if folder.is_relative_to(path.parent.resolve()):
        return path.resolve()
    labels = Path(*ultralytics.of_images(folder.parts))
    if not labels.is_dir():
        raise CvimakeError(f"--data {path}: no folder {labels} with the labels of {folder}")
    return labels
