"""Differences between what a variant declares and the pictures that the camera gives to it."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.camera.camera_picture import FORMAT, PAD_VALUE, Declared, Fault, Rows, sheared
from cvimake.project.model import Variant
from cvimake.project.options import ModelInput

_IMAGE_AXES = 4


def declared(inputs: ModelInput, variant: Variant) -> Declared:
    """Return everything in a variant's declaration that differs from the camera."""
    fault = next(faults(inputs, variant), None)
    return Declared(fault, tuple(differences(inputs)), tuple(by_hand(inputs, variant)))


def faults(inputs: ModelInput, variant: Variant) -> Iterator[Fault]:
    """Yield the reasons why a variant would see something else than the camera's picture."""
    if not variant.fuse_preprocess:
        yield Fault(
            "fuse_preprocess",
            "the camera gives bytes, and applies neither mean nor scale",
            f'declare fuse_preprocess = true and customization_format = "{FORMAT}"',
        )
    elif variant.customization_format != FORMAT:
        found = variant.customization_format or "something else"
        yield Fault(
            "customization_format",
            f"the camera gives packed RGB, but the network takes {found}",
            f'declare customization_format = "{FORMAT}"',
        )
    elif width := _width(inputs):
        yield from sheared(width, aligned_input=bool(variant.aligned_input))


def differences(inputs: ModelInput) -> Iterator[str]:
    """Yield the ways in which calibration and checks prepare images differently from the camera."""
    if not inputs.keep_aspect_ratio:
        yield (
            "[input] keep_aspect_ratio is not true: calibration and checks stretch images, but the camera "
            "keeps their aspect ratio. The effect of that was not measured"
        )
    elif (inputs.pad_value or 0) != PAD_VALUE:
        yield (
            f"[input] pad_value is {inputs.pad_value or 0}, but the camera pads with {PAD_VALUE}: "
            "calibration and checks see another border. Between 0 and 114, the score of one dog changed from "
            "0.755 to 0.637 (the published yolo26n)"
        )
    if inputs.pad_type == "normal":
        yield '[input] pad_type is "normal", right and below only, but the camera pads on both sides'
    if inputs.keep_ratio_mode == "short_side_scale" or _cropped(inputs):
        yield "[input] makes calibration and checks crop images, but the camera gives whole pictures"


def by_hand(inputs: ModelInput, variant: Variant) -> Iterator[str]:
    """Yield a warning if a variant reads the camera's rows correctly but not those of `sscma-model`."""
    width = _width(inputs)
    rows = Rows.of(width)
    packed = variant.fuse_preprocess and variant.customization_format == FORMAT
    if width and packed and variant.aligned_input and rows.plain != rows.aligned == rows.camera:
        yield (
            f"with aligned_input at width {width} it reads the camera's rows of {rows.camera} bytes, but "
            f"sscma-model, the program that is run by hand, writes {rows.plain}: its picture is sheared"
        )


def _width(inputs: ModelInput) -> int:
    """Return the width of the first input; 0 if it is not declared."""
    shape = inputs.shapes[0] if inputs.shapes else []
    if len(shape) != _IMAGE_AXES:
        return 0
    return shape[2] if inputs.channel_format == "nhwc" else shape[3]


def _cropped(inputs: ModelInput) -> bool:
    shape = inputs.shapes[0] if inputs.shapes else []
    return bool(inputs.resize_dims) and len(shape) == _IMAGE_AXES and inputs.resize_dims != shape[2:]
