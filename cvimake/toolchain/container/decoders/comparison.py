"""Compares an output of a network with the float network's, one image after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Alikeness:
    """Two figures for how alike two tensors are.

    Attributes:
        cosine: of the angle between them; 1 if they are the same up to a factor.
        noise_ratio: the energy of the reference over that of the difference, in decibels; infinite if
            both are equal.
    """

    cosine: float
    noise_ratio: float


def sums_of(reference: NDArray[Any], other: NDArray[Any], axis: int = 1) -> Doubles:
    """Return the sums `[4,channels]` by which two outputs of one image are compared.

    They are those of the products, of the squares of each, and of the squares of the differences.

    Args:
        reference: the float network's.
        other: the other network's, as numbers of the same shape.
        axis: the axis of the channels; the last one if there are not so many.

    Raises:
        ValueError: their shapes differ.
    """
    if reference.shape != other.shape:
        raise ValueError(f"outputs of different shapes: {list(reference.shape)} and {list(other.shape)}")
    axis = min(axis, reference.ndim - 1)
    one, two = (
        np.moveaxis(np.asarray(values, np.float64), axis, 0).reshape(values.shape[axis], -1)
        for values in (reference, other)
    )
    return np.stack([(one * two).sum(1), (one * one).sum(1), (two * two).sum(1), ((one - two) ** 2).sum(1)])


@dataclass
class Comparison:
    """The sums from which the figures of all images, of each image and of each channel are made.

    It keeps four numbers for each image and for each channel, and no tensor.

    Attributes:
        skipped: the places of images in which a value was not finite; they count nowhere else.
    """

    skipped: list[int] = field(default_factory=list)
    _images: list[Doubles] = field(default_factory=list)
    _channels: Doubles | None = None

    def add(self, sums: Doubles) -> None:
        """Add the sums of one image; see `sums_of`.

        Raises:
            ValueError: earlier images had another number of channels.
        """
        if self._channels is not None and self._channels.shape != sums.shape:
            raise ValueError(f"{sums.shape[1]} channels after images with {self._channels.shape[1]}")
        if not np.isfinite(sums).all():
            self.skipped.append(len(self._images))
            sums = np.zeros_like(sums)
        self._images.append(sums.sum(1))
        self._channels = sums if self._channels is None else self._channels + sums

    @property
    def count(self) -> int:
        """Return the number of images that count."""
        return len(self._images) - len(self.skipped)

    def whole(self) -> Alikeness:
        """Return the figures of all images together."""
        return _alikeness(np.sum(self._images, 0) if self._images else np.zeros(4))

    def of_images(self) -> list[Alikeness]:
        """Return the figures of each image."""
        return [_alikeness(sums) for sums in self._images]

    def of_channels(self) -> list[Alikeness]:
        """Return the figures of each channel over all images."""
        return [] if self._channels is None else [_alikeness(sums) for sums in self._channels.T]

    def worst_image(self) -> int | None:
        """Return the place of the image with the least ratio of signal to noise; None without images."""
        return _least(self.of_images(), self.skipped)

    def worst_channel(self) -> int | None:
        """Return the channel with the least ratio of signal to noise; None without images."""
        return _least(self.of_channels(), []) if self.count else None


def _alikeness(sums: Doubles) -> Alikeness:
    product, one, two, difference = map(float, sums)
    if difference == 0:
        return Alikeness(1.0, float("inf"))
    cosine = product / float(np.sqrt(one) * np.sqrt(two)) if one and two else 0.0
    return Alikeness(
        min(1.0, max(-1.0, cosine)), 10 * float(np.log10(one / difference)) if one else float("-inf")
    )


def _least(figures: list[Alikeness], without: list[int]) -> int | None:
    places = sorted(set(range(len(figures))) - set(without))
    return min(places, key=lambda place: figures[place].noise_ratio, default=None)
