"""The pictures that the camera gives to a network, and how a declaration differs from them.

The camera's node lets the hardware write a picture into the network's input: its aspect kept, centred on
a border of 114, packed RGB, a byte for each value, each row padded to 64 bytes. `sscma-model`, the program
that is run by hand, writes rows without gaps, on a border of 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # They check declarations with this module.
    from cvimake.spec.model import ModelInput, Variant

PAD_VALUE = 114
FORMAT = "RGB_PACKED"
# Bytes that the camera's hardware pads a row to, and those that a compiled network with aligned_input wants.
_HARDWARE, _COMPILED = 64, 128
_MULTIPLE = "a width that is a multiple of 64, such as 192, 256, 320 or 640"


@dataclass(frozen=True)
class Rows:
    """Bytes of one row of packed RGB.

    Attributes:
        plain: without a gap: what `sscma-model` writes, and a network without aligned_input reads.
        camera: what the camera's hardware writes.
        aligned: what a network with aligned_input reads.
    """

    plain: int
    camera: int
    aligned: int

    @classmethod
    def of(cls, width: int) -> Rows:
        """The rows of pictures of a width."""
        plain = 3 * width
        camera, aligned = (-(-plain // step) * step for step in (_HARDWARE, _COMPILED))
        return cls(plain, camera, aligned)

    @property
    def advice(self) -> str:
        """The setting with which the camera's rows are read rightly, as an instruction."""
        if self.camera == self.plain:
            return "leave aligned_input out: the camera's rows have no gap at this width"
        if self.camera == self.aligned:
            return "declare aligned_input = true"
        return f"use {_MULTIPLE}: at this one the camera's rows fit neither with nor without aligned_input"

    @property
    def readable(self) -> bool:
        """Whether there is a setting with which the camera's rows are read rightly."""
        return self.camera in {self.plain, self.aligned}

    def read(self, *, aligned_input: bool) -> int:
        """Bytes of a row as the network reads it."""
        return self.aligned if aligned_input else self.plain


@dataclass(frozen=True)
class Fault:
    """Something that makes a network see another picture than the camera gives.

    Attributes:
        key: the option to blame.
        reason: what is wrong with it.
        remedy: what to do, as an instruction.
    """

    key: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Declared:
    """What a declaration says of the camera's picture, and no cvimodel holds.

    Attributes:
        fault: the first thing that makes it see another picture.
        warnings: where calibration and checks, or `sscma-model`, see another picture.
    """

    fault: Fault | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, inputs: ModelInput, variant: Variant) -> Declared:
        """What a variant's declaration says."""
        fault = next(faults(inputs, variant), None)
        return cls(fault, (*differences(inputs), *by_hand(inputs, variant)))


NOTHING = Declared()


def faults(inputs: ModelInput, variant: Variant) -> Iterator[Fault]:
    """Where a variant would see something else than the camera's picture."""
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
            f"the camera gives packed RGB, and the network takes {found}",
            f'declare customization_format = "{FORMAT}"',
        )
    elif width := _width(inputs):
        yield from sheared(width, aligned_input=bool(variant.aligned_input))


def sheared(width: int, *, aligned_input: bool) -> Iterator[Fault]:
    """The fault of a network that reads rows of another length than the camera writes."""
    rows = Rows.of(width)
    read = rows.read(aligned_input=aligned_input)
    if read != rows.camera:
        reason = (
            f"at width {width} the camera writes rows of {rows.camera} bytes and the network reads {read}: "
            "it sees a sheared picture"
        )
        yield Fault("aligned_input", reason, rows.advice)


def differences(inputs: ModelInput) -> Iterator[str]:
    """Where images are prepared otherwise for calibration and checks than the camera does it."""
    if not inputs.keep_aspect_ratio:
        yield (
            "[input] keep_aspect_ratio is not true: calibration and checks stretch images, and the camera "
            "keeps their aspect. The cost of that was not measured"
        )
    elif (inputs.pad_value or 0) != PAD_VALUE:
        yield (
            f"[input] pad_value is {inputs.pad_value or 0}, and the camera pads with {PAD_VALUE}: "
            "calibration and checks see another border. Between 0 and 114 the score of one dog changed from "
            "0.755 to 0.637 (the published yolo26n)"
        )
    if inputs.pad_type == "normal":
        yield '[input] pad_type is "normal", right and below only, and the camera pads on both sides'
    if inputs.keep_ratio_mode == "short_side_scale" or _cropped(inputs):
        yield "[input] makes calibration and checks crop images, and the camera gives whole pictures"


def by_hand(inputs: ModelInput, variant: Variant) -> Iterator[str]:
    """Where a variant that reads the camera's rows rightly gets a sheared picture from `sscma-model`."""
    width = _width(inputs)
    rows = Rows.of(width)
    packed = variant.fuse_preprocess and variant.customization_format == FORMAT
    if width and packed and variant.aligned_input and rows.plain != rows.aligned == rows.camera:
        yield (
            f"with aligned_input at width {width} it reads the camera's rows of {rows.camera} bytes, and "
            f"sscma-model, the program that is run by hand, writes {rows.plain}: there its picture is sheared"
        )


def _width(inputs: ModelInput) -> int:
    """Width of the first input; 0 where it is not declared."""
    shape = inputs.shapes[0] if inputs.shapes else []
    if len(shape) != 4:
        return 0
    return shape[2] if inputs.channel_format == "nhwc" else shape[3]


def _cropped(inputs: ModelInput) -> bool:
    shape = inputs.shapes[0] if inputs.shapes else []
    return bool(inputs.resize_dims) and len(shape) == 4 and inputs.resize_dims != shape[2:]
