"""The firmware's rules for recognising a kind of model by the shapes of input and outputs.

Each function is `isValid` of one kind, with the firmware's own arithmetic. cviruntime reports four axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, int, int, int]
SIX = 6


@dataclass(frozen=True)
class Image:
    """The input as the firmware reads it.

    Attributes:
        shape: its four axes. It is packed (channels last) where the last axis is 1 or 3, else planar.
    """

    shape: Shape

    @property
    def packed(self) -> bool:
        """Tell whether the channels are the last axis."""
        return self.shape[3] in {1, 3}

    @property
    def channels(self) -> int:
        """Return the number of channels of the picture."""
        return self.shape[3] if self.packed else self.shape[1]

    @property
    def height(self) -> int:
        """Return the number of rows of the picture."""
        return self.shape[1] if self.packed else self.shape[2]

    @property
    def width(self) -> int:
        """Return the number of pixels in a row of the picture."""
        return self.shape[2] if self.packed else self.shape[3]

    @property
    def checked(self) -> int:
        """Return the axis that the firmware checks as the height; for a planar input that is its width."""
        return self.shape[1] if self.packed else self.shape[3]

    @property
    def side(self) -> int:
        """Return the axis that most rules take for the width; for a planar input that is its height."""
        return self.shape[2]

    @property
    def square(self) -> bool:
        """Tell whether it is as wide as high."""
        return self.width == self.height

    @property
    def grids(self) -> tuple[int, ...]:
        """Return the widths of the output grids at the strides 8, 16 and 32."""
        return tuple(self.side >> shift for shift in (3, 4, 5))

    @property
    def locations(self) -> int:
        """Return the number of cells of the three grids together."""
        return sum(grid * grid for grid in self.grids)


def unfit(image: Image) -> str:
    """Return why the firmware refuses an input for every kind; empty if it does not."""
    if image.shape[0] != 1:
        return f"the camera gives one image at a time, and the input's batch is {image.shape[0]}"
    if image.channels not in {1, 3}:
        return f"an image has 1 or 3 channels, and the input {list(image.shape)} has {image.channels}"
    if image.checked < 32 or image.checked % 32:
        axis = "height" if image.packed else "width"
        return f"the input's {axis} must be a multiple of 32, and is {image.checked}"
    return ""


def fomo(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a FOMO: one output, channels last, no larger than the square input."""
    if len(outputs) != 1 or not image.square:
        return False
    batch, rows, columns, channels = outputs[0]
    return batch == 1 and 2 <= rows <= image.width and 2 <= columns <= image.height and channels >= 2


def yolov5(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLOv5: one output with a row for each cell and each channel of the input."""
    if len(outputs) != 1:
        return False
    batch, rows, values, _ = outputs[0]
    return batch == 1 and rows == image.channels * image.locations and 6 <= values <= 85


def classifier(_image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a classifier: one output that holds only classes."""
    return len(outputs) == 1 and outputs[0][0] == 1 and outputs[0][1] >= 2 and outputs[0][2:] == (1, 1)


def grouped(outputs: Sequence[Shape]) -> tuple[Sequence[Shape], Sequence[Shape]]:
    """Return the boxes and the scores of six outputs: three boxes, then three scores."""
    return outputs[0:3], outputs[3:6]


def interleaved(outputs: Sequence[Shape]) -> tuple[Sequence[Shape], Sequence[Shape]]:
    """Return the boxes and the scores of six outputs in turns: box, score, box, score, box, score."""
    return outputs[0:6:2], outputs[1:6:2]


def _on_grids(image: Image, tensors: Sequence[Shape]) -> bool:
    return all(shape[2:] == (grid, grid) for shape, grid in zip(tensors, image.grids, strict=True))


def _heads(image: Image, heads: tuple[Sequence[Shape], Sequence[Shape]], box_channels: int) -> bool:
    boxes, scores = heads
    return (
        all(shape[1] == box_channels for shape in boxes)
        and _on_grids(image, boxes)
        and _on_grids(image, scores)
    )


def _single(outputs: Sequence[Shape]) -> bool:
    return all(shape[0] == 1 for shape in outputs[:SIX])


def yolov8(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLOv8: three boxes, then three scores; numbers of classes are not compared."""
    return len(outputs) >= SIX and _single(outputs) and _heads(image, grouped(outputs), 64)


def yolo11(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO11: boxes and scores in turns; numbers of classes are not compared."""
    return len(outputs) >= SIX and _single(outputs) and _heads(image, interleaved(outputs), 64)


def nvidia_det(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is an NvidiaDet: two outputs, channels last like the input.

    The firmware compares axes 1 and 2, even of a planar input.
    """
    grid = (image.shape[1] // 16, image.shape[2] // 16)
    return len(outputs) == 2 and image.square and all(shape[1:3] == grid for shape in outputs)


def yolo11_pose(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO11-pose: one output with a box, a score and three values for each point."""
    if len(outputs) != 1:
        return False
    batch, values, locations, _ = outputs[0]
    return batch == 1 and values >= 6 and (values - 5) % 3 == 0 and locations == image.locations


def yolo11_seg(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO11-seg: an output of boxes, scores and mask coefficients, and one of masks."""
    if len(outputs) != 2:
        return False
    (batch, values, locations, _), masks = outputs
    side = image.side >> 2
    return batch == 1 and values >= 37 and locations == image.locations and masks == (1, 32, side, side)


def yolo26(image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO26: six heads, in turns or grouped.

    Neither the batch nor the numbers of classes are compared.
    """
    if len(outputs) < SIX:
        return False
    return any(_heads(image, order(outputs), 4) for order in (interleaved, grouped))


def yolo26_pose(_image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO26-pose: one output or at least nine, of any shape."""
    return len(outputs) == 1 or len(outputs) >= 9


def yolo26_seg(_image: Image, outputs: Sequence[Shape]) -> bool:
    """Tell whether it is a YOLO26-seg: more than one output, of any shape."""
    return len(outputs) > 1
