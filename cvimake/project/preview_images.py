"""Images that the user names on the command line, to see what networks find in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.project import accuracy_images
from cvimake.project.accuracy import Accuracy, DeclaredAccuracy
from cvimake.project.dataset import IMAGES, Samples
from cvimake.project.declarations import DeclaredModel


def given(model: DeclaredModel, images: Mapping[str, Path]) -> DeclaredAccuracy:
    """Return the measurement of a model on images without labels.

    Thresholds and the project's own decoder are those of [accuracy], if the model has it.

    Args:
        model: the model.
        images: the files by the names that the user has for them.

    Raises:
        CvimakeError: an image is not there, or is of a kind that nothing reads.
        DeclarationError: the model's networks cannot be run on images.
    """
    if faults := [f"{name}: {fault}" for name, path in images.items() if (fault := _fault(path))]:
        raise CvimakeError("\n".join(faults))
    declared = model.accuracy.options if model.accuracy else Accuracy()
    options = declared.model_copy(update={"input_num": None, "metric": None})
    samples = Samples(files=dict(images))
    file = model.folder / "model.toml"
    wrong = accuracy_images.faults_of(options, model.inputs, model.variants, samples)
    if mistakes := [f"{file}: {what}" for _, what in wrong]:
        raise DeclarationError("\n".join(mistakes))
    names = model.model.classes
    return DeclaredAccuracy(
        options=options,
        images=dict(images),
        labels="",
        notes=(),
        classes=model.accuracy.classes
        if model.accuracy
        else accuracy_images.lines(model.folder / names if names else None),
        seconds=accuracy_images.seconds_per_image(model.inputs, model.source),
        calibration=None,
    )


def _fault(path: Path) -> str:
    """Return why a file cannot be an image; empty if it can."""
    if path.is_dir():
        return "is a folder; name the images in it"
    if not path.is_file():
        return "there is no such file"
    if path.suffix.lower() not in IMAGES:
        return f"is no image that can be read: {', '.join(sorted(IMAGES))}"
    return ""
