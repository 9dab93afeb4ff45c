"""Doubts about figures of accuracy that follow from a declaration; told before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cvimake.camera.thresholds import BUNDLED_FLOW, FIRMWARE
from cvimake.project import camera_picture
from cvimake.project.accuracy import Accuracy
from cvimake.project.options import ModelInput

if TYPE_CHECKING:
    # It imports this module.
    from cvimake.project.declarations import DeclaredVariant

# With 50 images and an accuracy of 0.5, the standard error of a fraction is 0.07.
ENOUGH_IMAGES = 50
_CAMERA = "cv181x"
# The heads of a YOLO26 without suppression, in the names that Ultralytics exports.
_ONE_TO_ONE = "one2one_cv"


def few_images(count: int) -> Iterator[str]:
    """Yield a warning if so few images are measured that chance decides much."""
    if count < ENOUGH_IMAGES:
        images = "1 image is" if count == 1 else f"{count} images are"
        yield f"only {images} measured: with fewer than {ENOUGH_IMAGES}, figures depend much on chance"


def int8_outputs(variants: Sequence[DeclaredVariant]) -> Iterator[str]:
    """Yield a warning if variants have outputs whose scales the firmware can exchange."""
    names = [each.name for each in variants if each.options.quant_output and each.options.quantize == "INT8"]
    if names:
        yield (
            f"{_listed(names)}: with INT8 outputs (quant_output), the firmware exchanges the scales of boxes "
            "and scores of a YOLO11, which makes the figure on camera worse"
        )


def other_pictures(
    inputs: ModelInput, variants: Sequence[DeclaredVariant], *, calibrates: bool
) -> Iterator[str]:
    """Yield each way in which the calibration or the camera has other pictures than the measurement.

    Args:
        inputs: `[input]`.
        variants: those that are measured.
        calibrates: images are prepared for a calibration.
    """
    for difference in camera_picture.differences(inputs) if calibrates else ():
        fact = difference.partition(": ")[0]
        yield f"{fact}: the calibration prepares images in another way than they are measured"
    by_reason: dict[str, list[str]] = {}
    for variant in variants:
        fault = next(camera_picture.faults(inputs, variant.options), None)
        if fault and _CAMERA in variant.processors:
            by_reason.setdefault(fault.reason, []).append(variant.name)
    for reason, names in by_reason.items():
        yield f"{_listed(names)}: measured with the declared input, not with the camera's ({reason})"


def yolo26_scores(options: Accuracy, outputs: Sequence[str]) -> Iterator[str]:
    """Yield a warning if the network has the heads of a YOLO26 and no threshold is declared.

    The scores of a YOLO26 can be lower than those of a YOLO11 of equal mAP
    (https://github.com/ultralytics/ultralytics/issues/24062).
    """
    if options.score_threshold is None and any(_ONE_TO_ONE in name for name in outputs):
        yield (
            "the scores of a YOLO26 can be low: declare your flow's score_threshold (without it, "
            f"{FIRMWARE.score:g} is taken; the camera's own flow has {BUNDLED_FLOW.score:g})"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
