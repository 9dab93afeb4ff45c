"""The datasets that `init` declares for the images that a network was trained with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cvimake.cli.surroundings import as_declared, invoked_from
from cvimake.core.errors import CvimakeError

if TYPE_CHECKING:
    from cvimake.project.draft import Measured, Samples
    from cvimake.project.labels.training_set import TrainingSet

# The name of the training's declaration, which is looked for beside a checkpoint.
_DATA = "data.yaml"


@dataclass(frozen=True, kw_only=True)
class OfTraining:
    """Two datasets: some of the validation images to calibrate with, and all of them to measure on.

    Attributes:
        files: the contents of the files that declare them, by their paths.
    """

    found: TrainingSet
    folder: Path
    calibration: str
    validation: str
    files: Mapping[Path, bytes]

    @property
    def calibration_images(self) -> dict[str, Path]:
        """Return the images that are calibrated with, as far as a test image can be one of them."""
        from cvimake.project.rules import FUSABLE_IMAGES  # noqa: PLC0415 - takes a while to load

        chosen = {name: self.found.images[name] for name in self.found.calibrated}
        return {name: path for name, path in chosen.items() if path.suffix.lower() in FUSABLE_IMAGES}

    def samples(self, known: Collection[str]) -> Samples:
        """Return what to calibrate and check with."""
        from cvimake.project.draft import Samples  # noqa: PLC0415 - only `init` needs it

        return Samples(
            dataset=self.calibration,
            count=len(self.found.calibrated),
            known=(*known, self.calibration, self.validation),
        )

    @property
    def measured(self) -> Measured:
        """Return what to measure on."""
        from cvimake.project.draft import Measured  # noqa: PLC0415 - only `init` needs it

        return Measured(dataset=self.validation, keypoints=self.found.keypoints)


def of_training(root: Path, network: Path, model: str, data: str, dataset: str) -> OfTraining | None:
    """Return the datasets for a network's training set; None if none is given, and none lies beside it.

    Args:
        root: the project.
        network: the network's file.
        model: the model's name, from which those of the datasets are made.
        data: the `data.yaml` that the user names; empty for none.
        dataset: the dataset that the user names; empty for none.

    Raises:
        CvimakeError: the user names both, or the training set cannot be read.
    """
    if data and dataset:
        raise CvimakeError("--data and --dataset exclude each other", "Name the training set or a dataset.")
    beside = network.parent / _DATA
    if not data and (dataset or network.suffix != ".pt" or not beside.is_file()):
        return None
    from cvimake.project.labels import training_set  # noqa: PLC0415 - slow to import, and rarely needed
    from cvimake.project.reader import read_settings  # noqa: PLC0415 - takes a while to load
    from cvimake.project.toml_text import string  # noqa: PLC0415 - only a training set needs it

    path = invoked_from() / data if data else beside
    found = training_set.read(path)
    calibration, validation = f"{model}_calibration", f"{model}_val"
    datasets = root / read_settings(root).datasets
    places = {name: (datasets / name).resolve() for name in (calibration, validation)}
    images = {name: string(as_declared(found.folder, place)) for name, place in places.items()}
    labels = string(as_declared(found.labels.resolve(), places[validation]))
    chosen = "".join(f"{name}\n" for name in found.calibrated)
    return OfTraining(
        found=found,
        folder=datasets,
        calibration=calibration,
        validation=validation,
        files={
            datasets / calibration / "images.txt": chosen.encode(),
            datasets / calibration / "dataset.toml": (
                f'description = "{len(found.calibrated)} of the validation images of {model}\'s training"\n'
                f'folder = {images[calibration]}\ndata_list = "images.txt"\n'
            ).encode(),
            datasets / validation / "dataset.toml": (
                f'description = "All {len(found.images)} validation images of {model}\'s training"\n'
                f"folder = {images[validation]}\n"
                f"labels = {labels}\n"
            ).encode(),
        },
    )
