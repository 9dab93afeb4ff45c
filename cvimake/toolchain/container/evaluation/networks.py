"""Networks that are evaluated on pictures: the float network, and a cvimodel on the simulator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from decoders.outputs import Output, Size
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_AXES = 4


class Network(Protocol):
    """A network with one image as its input.

    Attributes:
        size: the input's, in pixels.
        input_shape: the four axes of the input, as the camera reads them.
    """

    size: Size
    input_shape: tuple[int, int, int, int]

    def run(self, picture: Picture) -> list[Output]:
        """Return the outputs for a picture.

        Args:
            picture: RGB of the input's size, channels last.
        """


@dataclass(frozen=True)
class Preparation:
    """The steps that make a picture an input of the float network.

    Attributes:
        pixel_format: `rgb`, `bgr` or `gray`.
        mean: for each channel, subtracted from 0 to 255.
        scale: for each channel, multiplied afterwards.
        channels_last: the axis of the channels is the last one.
    """

    pixel_format: str
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    channels_last: bool = False

    def prepare(self, picture: Picture) -> NDArray[np.float32]:
        """Return a picture as an input with a batch of 1."""
        pixels = with_channels(picture, self.pixel_format).astype(np.float32)
        prepared = (pixels - np.array(self.mean, np.float32)) * np.array(self.scale, np.float32)
        return np.ascontiguousarray(prepared if self.channels_last else prepared.transpose(2, 0, 1))[None]


def with_channels(picture: Picture, pixel_format: str) -> Picture:
    """Return an RGB picture with its channels in another order, or as gray; channels last."""
    if pixel_format == "gray":
        import cv2  # noqa: PLC0415 - the toolchain's; unit tests of the rest need none

        gray: Picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
        return gray
    return picture if pixel_format == "rgb" else picture[..., ::-1]


class FloatNetwork:
    """The network in MLIR, as the toolchain computes it in float."""

    def __init__(self, path: str, preparation: Preparation) -> None:
        """Load the network."""
        import pymlir  # noqa: PLC0415 - the toolchain's, and slow to import

        self._module = pymlir.module()
        self._module.load(path)
        self._preparation = preparation
        shapes = [list(self._module.get_tensor(name).shape) for name in self._module.input_names]
        if not_one_image := no_single_image(shapes):
            sys.exit(not_one_image)
        (self._input,), (shape,) = self._module.input_names, shapes
        height, width = shape[1:3] if preparation.channels_last else shape[2:4]
        self.size = Size(height, width)
        # The cvimodel takes packed pictures; the camera judges by its shape.
        self.input_shape = 1, height, width, 1 if preparation.pixel_format == "gray" else 3

    def run(self, picture: Picture) -> list[Output]:
        """See `Network.run`."""
        self._module.set_tensor(self._input, self._preparation.prepare(picture))
        self._module.invoke()
        outputs = (self._module.get_tensor(name).copy() for name in self._module.output_names)
        return [Output(in_four_axes(values)) for values in outputs]


def no_single_image(shapes: Sequence[Sequence[int]]) -> str:
    """Return why the inputs with these shapes are not one image; empty if they are."""
    if [len(shape) for shape in shapes] == [_AXES] and shapes[0][0] == 1:
        return ""
    return (
        f"accuracy is measured of networks with one image as input, and this one has {shapes}: "
        "leave [accuracy] out, or convert the network with a batch of 1"
    )


def in_four_axes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an output as cviruntime has it: a fifth axis and further ones are part of the fourth."""
    return values.reshape(*values.shape[:3], -1) if values.ndim > _AXES else values


class Cvimodel:
    """A cvimodel on the toolchain's simulator."""

    def __init__(
        self, path: str, size: Size, preparation: Preparation, customization_format: str | None
    ) -> None:
        """Load the cvimodel.

        Args:
            path: the file.
            size: of its input.
            preparation: how a picture becomes an input, if the cvimodel does not prepare it by itself.
            customization_format: the form of a picture that the cvimodel prepares by itself; None if not.
        """
        from pyruntime_cvi import Model  # noqa: PLC0415 - the toolchain's, and slow to import

        self._model = Model(path, output_all_tensors=False)
        (self._input,), self._outputs = self._model.inputs, self._model.outputs
        self._preparation, self._format = preparation, customization_format
        if not customization_format:
            from utils.lowering import lowering  # noqa: PLC0415 - the toolchain's

            self._lowering = lowering
        self.size = size
        self.input_shape = self._shape()

    def run(self, picture: Picture) -> list[Output]:
        """See `Network.run`."""
        data = self._input.data
        if self._format:
            data[:] = in_format(picture, self._format, data.size).reshape(data.shape)
        else:
            data[:] = self._lowering(
                self._preparation.prepare(picture),
                pdtype=self._input.dtype,
                pshape=data.shape,
                pzero_point=self._input.qzero_point,
                pscale=self._input.qscale,
            )
        self._model.forward()
        return [_output(tensor) for tensor in self._outputs]

    def _shape(self) -> tuple[int, int, int, int]:
        height, width = self.size.height, self.size.width
        form = self._format or ""
        channels = 1 if self._preparation.pixel_format == "gray" else 3
        if form.endswith("_PACKED") or form == "GRAYSCALE":
            return 1, height, width, channels
        return 1, channels, height, width


def in_format(picture: Picture, form: str, size: int) -> NDArray[np.uint8]:
    """Return the bytes of a picture in a form that a cvimodel takes.

    Args:
        picture: RGB, channels last.
        form: a `customization_format` of RGB, BGR or gray.
        size: bytes of the input; where rows are aligned, they are longer than a row of pixels.
    """
    pixels = with_channels(picture, {"B": "bgr", "G": "gray", "R": "rgb"}[form[0]])
    rows = pixels.reshape(len(pixels), -1)
    if not form.endswith("_PACKED"):
        rows = pixels.transpose(2, 0, 1).reshape(-1, pixels.shape[1])
    if rows.size == size:
        return rows
    filled = np.zeros((len(rows), size // len(rows)), np.uint8)
    filled[:, : rows.shape[1]] = rows
    return filled


def _output(tensor: Any) -> Output:  # noqa: ANN401 - the runtime's
    kind = "bf16" if tensor.dtype == "bf16" else ""
    return Output(np.array(tensor.data), float(tensor.qscale) or 1.0, int(tensor.qzero_point), kind)
