"""The outputs of a network, and the detections that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_TYPES = {"float32": "fp32", "int8": "int8", "uint8": "uint8", "uint16": "uint16"}
_AXES = range(1, 5)


class UndecodableError(ValueError):
    """The outputs cannot be decoded in this way; its text says why."""


@dataclass(frozen=True)
class Size:
    """The height and the width of a network's input, in pixels."""

    height: int
    width: int

    @property
    def edges(self) -> Floats:
        """Return the width and the height twice, as divisors of boxes `[n,4]`."""
        return np.array([self.width, self.height] * 2, np.float32)


@dataclass(frozen=True)
class Thresholds:
    """The limits of a decoding.

    Attributes:
        score: the score that a detection must exceed.
        overlap: the intersection over union above which the less sure of two boxes is dropped.
    """

    score: float
    overlap: float


@dataclass(frozen=True)
class Output:
    """One output of a network, as the runtime gives it.

    Attributes:
        values: the tensor `[batch,…]`. Whole numbers are quantised: they stand for (value - zero) * scale.
        type: `fp32`, `int8`, `uint8`, `uint16` or `bf16` (in 16-bit words); by default that of the values.
    """

    values: NDArray[Any]
    scale: float = 1.0
    zero_point: int = 0
    type: str = ""

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) not in _AXES:
            raise UndecodableError(f"an output has one to four axes, and this has {list(shape)}")
        # As cviruntime does it: always four axes.
        object.__setattr__(self, "values", self.values.reshape(shape + (1,) * (4 - len(shape))))
        if not self.type:
            object.__setattr__(self, "type", _TYPES.get(self.values.dtype.name, self.values.dtype.name))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the four axes."""
        return self.values.shape

    def floats(self, like: Output | None = None) -> Floats:
        """Return the values as numbers `[…]` without the batch.

        Args:
            like: the output whose scale and zero point are used instead of its own.

        Raises:
            UndecodableError: the batch is not 1.
        """
        if self.shape[0] != 1:
            raise UndecodableError(f"a batch of 1 is needed, and there is {list(self.shape)}")
        return np.asarray(self.numbers(like)[0])

    def numbers(self, like: Output | None = None) -> Floats:
        """Return the values as numbers, with the batch; see `floats`."""
        values, by = self.values, like or self
        if self.type == "fp32":
            return np.asarray(values, np.float32)
        if self.type == "bf16":
            words = np.ascontiguousarray(values).view(np.uint16).astype(np.uint32)
            return np.asarray((words << 16).view(np.float32))
        if self.type not in _TYPES.values():
            raise UndecodableError(f"outputs of type {self.type} cannot be read")
        steps = (values.astype(np.int32) - by.zero_point).astype(np.float32)
        return np.asarray(steps * np.float32(by.scale))

    def table(self) -> Floats:
        """Return the values `[rows,columns]` of an output without a grid.

        Raises:
            UndecodableError: it has a grid.
        """
        if self.shape[3] != 1:
            raise UndecodableError(f"a table is needed, and this is a grid: {list(self.shape)}")
        return np.asarray(self.floats()[:, :, 0])


@dataclass(frozen=True)
class Detections:
    """The things that were found in one image.

    Attributes:
        boxes: `[n,4]`: left, top, right, bottom in pixels of the network's input; they may reach out of it.
        scores: `[n]`.
        classes: `[n]`, indices.
        keypoints: of a pose, `[n,points,3]`: x, y in pixels of the input, and how sure it is to be visible.
        masks: of a segmentation, `[n,rows,columns]`, truth values on a grid that covers the input.
    """

    boxes: Floats
    scores: Floats
    classes: Integers
    keypoints: Floats | None = None
    masks: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Labels:
    """The classes of one image, the surest first.

    Attributes:
        scores: `[n]`.
        classes: `[n]`, indices.
    """

    scores: Floats
    classes: Integers


def need(outputs: Sequence[Output], count: int) -> Sequence[Output]:
    """Return the first outputs.

    Raises:
        UndecodableError: there are fewer.
    """
    if len(outputs) < count:
        raise UndecodableError(f"{count} outputs are needed, and there are {len(outputs)}")
    return outputs[:count]
