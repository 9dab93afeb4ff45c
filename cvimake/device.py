"""What the reCamera's runtime takes a cvimodel for: it looks only at the output tensors; the first rule wins.

Source: SSCMA-Micro, `ma_model_factory.cpp` and `isValid` of each `ma_model_*.cpp`. The firmware may move on;
everything that it decides by stands in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cvimake.cvimodel import Tensor

_STRIDES = (8, 16, 32)
_BOX_CHANNELS = 64
_FLOAT, _INTEGERS = "fp32", ("int8", "uint8", "uint16")


class Recognition(BaseModel):
    """What the camera takes a cvimodel for.

    Attributes:
        as_: the kind of model, empty if the camera refuses it.
        type: the runtime's number for it.
        reason: why it is nothing, or not what one might think.
        warnings: traps that it is in all the same.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    as_: str
    type: int | None
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Input:
    width: int
    height: int

    @property
    def grids(self) -> tuple[int, ...]:
        """Widths of the output grids at the strides."""
        return tuple(self.width // stride for stride in _STRIDES)

    @property
    def locations(self) -> int:
        """Cells of all grids."""
        return sum(grid * grid for grid in self.grids)


Shape = tuple[int, int, int, int]
Test = Callable[[_Input, Sequence[Shape]], bool]


@dataclass(frozen=True)
class _Kind:
    """One kind of model, in the order in which the runtime asks.

    Attributes:
        types: element types of the outputs that its post-processing can read.
    """

    name: str
    type: int
    fits: Test
    types: tuple[str, ...]


def _fomo(image: _Input, outputs: Sequence[Shape]) -> bool:
    if len(outputs) != 1 or image.width != image.height:
        return False
    _, height, width, channels = outputs[0]
    return 2 <= height <= image.height and 2 <= width <= image.width and channels >= 2


def _yolov5(image: _Input, outputs: Sequence[Shape]) -> bool:
    return len(outputs) == 1 and outputs[0][1] == 3 * image.locations and 6 <= outputs[0][2] <= 85


def _classifier(_image: _Input, outputs: Sequence[Shape]) -> bool:
    return len(outputs) == 1 and outputs[0][1] >= 2 and outputs[0][2:] == (1, 1)


def _heads(image: _Input, boxes: Sequence[Shape], classes: Sequence[Shape], box_channels: int) -> bool:
    """Whether boxes and classes stand on the three grids, with one number of classes."""
    return all(
        box[1:] == (box_channels, grid, grid) and scores[2:] == (grid, grid) and scores[1] == classes[0][1]
        for box, scores, grid in zip(boxes, classes, image.grids, strict=True)
    )


def _grouped(outputs: Sequence[Shape]) -> tuple[Sequence[Shape], Sequence[Shape]]:
    return outputs[0:3], outputs[3:6]


def _interleaved(outputs: Sequence[Shape]) -> tuple[Sequence[Shape], Sequence[Shape]]:
    return outputs[0:6:2], outputs[1:6:2]


_SIX = 6


def _yolov8(image: _Input, outputs: Sequence[Shape]) -> bool:
    return len(outputs) >= _SIX and _heads(image, *_grouped(outputs), _BOX_CHANNELS)


def _nvidia(image: _Input, outputs: Sequence[Shape]) -> bool:
    grid = image.width // 16
    return len(outputs) == 2 and all(shape[2:] == (grid, grid) for shape in outputs)


def _yolo11(image: _Input, outputs: Sequence[Shape]) -> bool:
    return len(outputs) >= _SIX and _heads(image, *_interleaved(outputs), _BOX_CHANNELS)


def _yolo11_pose(image: _Input, outputs: Sequence[Shape]) -> bool:
    if len(outputs) != 1:
        return False
    channels, locations = outputs[0][1], outputs[0][2]
    return channels >= 6 and (channels - 5) % 3 == 0 and locations == image.locations


def _yolo11_seg(image: _Input, outputs: Sequence[Shape]) -> bool:
    if len(outputs) != 2:
        return False
    detections, prototypes = outputs
    grid = image.width // 4
    return detections[1] >= 37 and detections[2] == image.locations and prototypes[1:] == (32, grid, grid)


def _yolo26(image: _Input, outputs: Sequence[Shape]) -> bool:
    if len(outputs) < _SIX:
        return False
    return any(_heads(image, *order(outputs), 4) for order in (_grouped, _interleaved))


KINDS = (
    _Kind("FOMO", 1, _fomo, ("int8",)),
    _Kind("YOLOv5", 3, _yolov5, (_FLOAT, "int8")),
    _Kind("classifier", 4, _classifier, (_FLOAT, *_INTEGERS)),
    _Kind("YOLOv8", 6, _yolov8, (_FLOAT, "int8")),
    _Kind("NvidiaDet", 7, _nvidia, (_FLOAT, "int8")),
    _Kind("YOLO11", 9, _yolo11, (_FLOAT, "int8")),
    _Kind("YOLO11-pose", 10, _yolo11_pose, (_FLOAT,)),
    _Kind("YOLO11-seg", 11, _yolo11_seg, (_FLOAT,)),
    _Kind("YOLO26", 14, _yolo26, (_FLOAT, "int8")),
)


def recognise(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Recognition:
    """What the camera takes a network with these tensors for."""
    image, reason = _image(inputs)
    if image is None:
        return Recognition(as_="", type=None, reason=reason)
    shapes = [tensor.shape for tensor in outputs]
    kind = next((kind for kind in KINDS if kind.fits(image, shapes)), None)
    if kind is None:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        return Recognition(
            as_="", type=None, reason=f"no kind of model has the outputs {listed}{_nearest(image, shapes)}"
        )
    unreadable = sorted({tensor.type for tensor in outputs if tensor.type not in kind.types})
    if unreadable:
        reason = (
            f"{kind.name} by its shapes, but the camera cannot read outputs of type {', '.join(unreadable)}"
        )
        return Recognition(as_="", type=None, reason=f"{reason}; it reads {', '.join(kind.types)}")
    return Recognition(as_=kind.name, type=kind.type, warnings=tuple(_warnings(kind, image, outputs)))


def _image(inputs: Sequence[Tensor]) -> tuple[_Input | None, str]:
    """The input as an image, or why it is none that the camera can give."""
    if len(inputs) != 1:
        return None, f"the camera gives one input, and this has {len(inputs)}"
    batch, *axes = inputs[0].shape
    if batch != 1:
        return None, f"the camera gives one image at a time, and the batch is {batch}"
    # Packed or planar; the runtime goes by the last axis too.
    channels, height, width = (axes[2], axes[0], axes[1]) if axes[2] in {1, 3} else axes
    if channels not in {1, 3}:
        return None, f"an image has 1 or 3 channels, and the input {list(inputs[0].shape)} has {channels}"
    if height % 32:
        return None, f"the input's height must be a multiple of 32, and is {height}"
    return _Input(width, height), ""


def _nearest(image: _Input, shapes: Sequence[Shape]) -> str:
    if image.width != image.height:
        return f"; the input is {image.width}x{image.height}, and detectors must be square"
    if len(shapes) == 1 and shapes[0][2] == image.locations:
        return "; one anchor-free output is only taken for pose, with 8, 11, 14 … channels: use the six heads"
    if len(shapes) == 3:
        return "; raw YOLOv5 heads are not recognised: use the decoded output"
    return ""


def _warnings(kind: _Kind, image: _Input, outputs: Sequence[Tensor]) -> list[str]:
    warnings = []
    if kind.name == "YOLO11-pose" and outputs[0].shape[1] in {8, 11, 14}:
        classes = outputs[0].shape[1] - 4
        warnings.append(
            f"a detector of {classes} classes with one output looks the same; the camera takes it for pose"
        )
    if kind.name == "FOMO" and outputs[0].shape[1:3] == (image.height, image.width):
        warnings.append("a semantic segmentation looks the same; the camera takes it for FOMO")
    if kind.name in {"YOLOv8", "YOLO11"} and any(tensor.type == "int8" for tensor in outputs):
        warnings.append(
            "with INT8 outputs the camera mixes up the scales of boxes and scores (a firmware fault): it "
            "does not show what the model computes. Float outputs avoid that"
        )
    return warnings
