"""The pictures that the camera gives to a network, and the ways in which a declaration differs from them.

The camera's node lets the hardware write a picture into the network's input: with its aspect ratio kept, in
the middle of a border of 114, as packed RGB, one byte for each value, each row padded to 64 bytes.
`sscma-model`, the program that one runs by hand, writes rows without gaps, on a border of 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PAD_VALUE = 114
FORMAT = "RGB_PACKED"
# The camera's hardware pads a row to a multiple of 64 bytes, a network with aligned_input wants one of 128.
_HARDWARE, _COMPILED = 64, 128
_MULTIPLE = "a width that is a multiple of 64, such as 192, 256, 320 or 640"


@dataclass(frozen=True)
class Rows:
    """The length of one row of packed RGB, in bytes.

    Attributes:
        plain: without a gap, as `sscma-model` writes it and a network without aligned_input reads it.
        camera: as the camera's hardware writes it.
        aligned: as a network with aligned_input reads it.
    """

    plain: int
    camera: int
    aligned: int

    @classmethod
    def of(cls, width: int) -> Rows:
        """Return the rows of pictures of a width, in pixels."""
        plain = 3 * width
        camera, aligned = (-(-plain // step) * step for step in (_HARDWARE, _COMPILED))
        return cls(plain, camera, aligned)

    @property
    def advice(self) -> str:
        """Return the setting with which the camera's rows are read correctly, as an instruction."""
        if self.camera == self.plain:
            return "leave aligned_input out: the camera's rows have no gap at this width"
        if self.camera == self.aligned:
            return "declare aligned_input = true"
        return f"use {_MULTIPLE}: at this one the camera's rows fit neither with nor without aligned_input"

    @property
    def readable(self) -> bool:
        """Tell whether there is a setting with which the camera's rows are read correctly."""
        return self.camera in {self.plain, self.aligned}

    def read(self, *, aligned_input: bool) -> int:
        """Return the length of a row as the network reads it."""
        return self.aligned if aligned_input else self.plain


@dataclass(frozen=True)
class Fault:
    """Something that makes a network see another picture than the camera gives.

    Attributes:
        key: the option that causes it.
        remedy: what to do, as an instruction.
    """

    key: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Declared:
    """The part of a declaration about the camera's picture. The cvimodel itself does not hold it.

    Attributes:
        fault: the first thing that makes the network see another picture.
        of_input: cases in which calibration and checks see another picture because of [input]. They are the
            same for all variants.
        warnings: cases in which `sscma-model` sees another picture.
    """

    fault: Fault | None = None
    of_input: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


NOTHING = Declared()


def sheared(width: int, *, aligned_input: bool) -> Iterator[Fault]:
    """Yield the fault of a network that reads rows of another length than the camera writes."""
    rows = Rows.of(width)
    read = rows.read(aligned_input=aligned_input)
    if read != rows.camera:
        reason = (
            f"at width {width} the camera writes rows of {rows.camera} bytes and the network reads {read}: "
            "it sees a sheared picture"
        )
        yield Fault("aligned_input", reason, rows.advice)
