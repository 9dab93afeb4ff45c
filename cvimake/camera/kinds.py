"""The kinds of model that the firmware knows, in the order in which it tries them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cvimake.camera import decoding, layouts
from cvimake.camera.decoding import Verdict
from cvimake.camera.layouts import Image, Shape
from cvimake.toolchain.cvimodel import Tensor


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
        type: the firmware's number for it.
        fits: tells whether a network has the shapes of this kind.
        judge: tells whether the firmware decodes a network with these shapes correctly.
        told: the firmware only tries this kind if its number is set as `algorithm` of the camera's node.
    """

    name: str
    type: int
    fits: Callable[[Image, Sequence[Shape]], bool]
    judge: Callable[[Image, Sequence[Tensor]], Verdict]
    told: bool = False


# PFLD, YOLOv8-pose, RTMDet and YOLO-World want outputs of two or three axes; cviruntime reports four.
KINDS = (
    Kind("FOMO", 1, layouts.fomo, decoding.fomo),
    Kind("YOLOv5", 3, layouts.yolov5, decoding.yolov5),
    Kind("classifier", 4, layouts.classifier, decoding.classifier),
    Kind("YOLOv8", 6, layouts.yolov8, decoding.yolov8),
    Kind("NvidiaDet", 7, layouts.nvidia_det, decoding.nvidia_det),
    Kind("YOLO11", 9, layouts.yolo11, decoding.yolo11),
    Kind("YOLO11-pose", 10, layouts.yolo11_pose, decoding.yolo11_pose_or_seg),
    Kind("YOLO11-seg", 11, layouts.yolo11_seg, decoding.yolo11_pose_or_seg),
    Kind("YOLO26", 14, layouts.yolo26, decoding.yolo26),
    Kind("YOLO26-pose", 15, layouts.yolo26_pose, decoding.yolo26_pose, told=True),
    Kind("YOLO26-seg", 16, layouts.yolo26_seg, decoding.yolo26_seg, told=True),
)
