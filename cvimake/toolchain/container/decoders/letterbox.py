"""The place of an image in a network's input: as large as possible, in the middle, its aspect ratio kept.

The camera's hardware does the same, with a border of 114. Sizes are rounded down, as in the toolchain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .outputs import Detections, Floats, Size

PAD = 114


@dataclass(frozen=True)
class Letterbox:
    """The rectangle of the input that an image fills.

    Attributes:
        image: the image's size.
        input: the input's size.
        inner: the rectangle's size.
        top: the number of rows above it.
        left: the number of columns left of it.
    """

    image: Size
    input: Size
    inner: Size
    top: int
    left: int

    @classmethod
    def of(cls, image: Size, given: Size) -> Letterbox:
        """Return where an image of a size lies in an input of a size."""
        factor = min(given.width / image.width, given.height / image.height)
        inner = Size(*(max(1, int(length * factor)) for length in (image.height, image.width)))
        return cls(image, given, inner, (given.height - inner.height) // 2, (given.width - inner.width) // 2)

    @property
    def within(self) -> tuple[slice, slice]:
        """Return the rows and the columns of the input that the image fills."""
        return slice(self.top, self.top + self.inner.height), slice(self.left, self.left + self.inner.width)

    def framed(self, picture: NDArray[Any], pad: int = PAD) -> NDArray[Any]:
        """Return the input `[height,width,…]` for an image that was resized to `inner`.

        An image that fills the input is returned itself, not a copy.
        """
        if self.inner == self.input:
            return picture
        whole = np.full((self.input.height, self.input.width, *picture.shape[2:]), pad, picture.dtype)
        whole[self.within] = picture
        return whole

    def points_in_image(self, points: Floats) -> Floats:
        """Return points `[…,2]`, x and y in pixels of the input, in pixels of the image."""
        factors = [self.image.width / self.inner.width, self.image.height / self.inner.height]
        return np.asarray((points - [self.left, self.top]) * factors, np.float32)

    def points_in_input(self, points: Floats) -> Floats:
        """Return points `[…,2]`, x and y in pixels of the image, in pixels of the input."""
        factors = [self.inner.width / self.image.width, self.inner.height / self.image.height]
        return np.asarray(points * np.array(factors) + [self.left, self.top], np.float32)

    def mask_in_image(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask, on any grid that covers the input, in pixels of the image."""
        rows = self._cells(self.image.height, self.inner.height, self.top, mask.shape[0] / self.input.height)
        columns = self._cells(self.image.width, self.inner.width, self.left, mask.shape[1] / self.input.width)
        return mask[np.ix_(rows, columns)]

    @staticmethod
    def _cells(length: int, inner: int, start: int, fineness: float) -> NDArray[np.int64]:
        """Return for each pixel of the image the cell of the mask in which its middle lies."""
        return (((np.arange(length) + 0.5) * inner / length + start) * fineness).astype(np.int64)

    def in_image(self, found: Detections) -> Detections:
        """Return detections in pixels of the image. Boxes may reach out of it, as on the camera."""
        boxes = self.points_in_image(found.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        keypoints, masks = found.keypoints, found.masks
        if keypoints is not None:
            keypoints = np.concatenate([self.points_in_image(keypoints[..., :2]), keypoints[..., 2:]], -1)
        if masks is not None:
            masks = np.stack([self.mask_in_image(mask) for mask in masks]) if len(masks) else masks
        return Detections(boxes, found.scores, found.classes, keypoints, masks)
