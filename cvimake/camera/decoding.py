"""Tells how well the firmware decodes each kind that it recognises, by `postprocess` of that kind.

Each function looks at the input and the outputs of a cvimodel that has the kind's shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cvimake.camera.layouts import SIX, Image, grouped, interleaved
from cvimake.toolchain.cvimodel import Tensor

Works = Literal["yes", "badly", "no", "unclear"]

_FLOAT, _INT8 = "fp32", "int8"
_CLASSIFIER_TYPES = ("fp32", "int8", "uint8", "uint16")
# With an INT8 scale below this one the firmware uses scores as they are; otherwise it divides them by 100.
_NORMALISED = 0.1
# Operations whose results are no probabilities, as the toolchain writes them into a tensor's name.
_LINEAR = frozenset({"Gemm", "MatMul", "Conv", "Add", "ReduceMean"})

FLOAT_OUTPUTS = "leave quant_output out of the declaration: the outputs are then float"
RELATIVE = "declare relative_boxes = true in [output]: the coordinates are then 0 to 1"
INTERLEAVE = "give the six outputs in turns (box, score, box, score, box, score): it is then taken for YOLO11"


_DIVIDED = (
    "the camera divides every score by 100 unless the coordinates are 0 to 1: of an ordinary export "
    "(coordinates in pixels, scores 0 to 1) it finds nothing"
)


@dataclass(frozen=True)
class Verdict:
    """A verdict on how the camera decodes a cvimodel.

    Attributes:
        works: `yes` if it shows what the network computes; `badly` if it shows something worse; `no` if it
            shows nothing or nonsense, or crashes; `unclear` if that depends on values that are in no file.
        reason: why it is not `yes`.
    """

    works: Works
    reason: str = ""
    remedy: str = ""


YES = Verdict("yes")


def _is_normalised(output: Tensor) -> bool:
    """Tell whether the firmware takes a quantised output for numbers from 0 to 1; it needs a known scale."""
    return output.scale is not None and output.scale < _NORMALISED


def fomo(_image: Image, _outputs: Sequence[Tensor]) -> Verdict:
    """Judge a FOMO: its boxes come from an integer division that yields 0, and the node crashes."""
    return Verdict(
        "no",
        "the firmware crashes when its camera node runs FOMO, and its boxes are all 0 (an integer division)",
        "use a detector with six heads, such as YOLO11",
    )


def yolov5(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLOv5: scores are divided by 100, unless the first value is below 1 or the scale below 0.1."""
    kind = outputs[0].type
    if kind not in {_FLOAT, _INT8}:
        return _unreadable(outputs, (_FLOAT, _INT8))
    if kind == _INT8 and _is_normalised(outputs[0]):
        return YES
    return Verdict(
        "unclear",
        f"{_DIVIDED}; whether the coordinates of this one are 0 to 1 is not known",
        RELATIVE,
    )


def yolov5_of(outputs: Sequence[Tensor], *, relative_boxes: bool) -> Verdict:
    """Judge a YOLOv5 that `yolov5` finds unclear, when it is known whether its coordinates are 0 to 1."""
    if not relative_boxes:
        return Verdict("no", _DIVIDED, RELATIVE)
    if outputs[0].type == _FLOAT:
        return YES
    return Verdict(
        "no",
        f"the camera divides every score by 100, because the scale of the INT8 output, {outputs[0].scale:g}, "
        f"is not below {_NORMALISED}",
        FLOAT_OUTPUTS,
    )


def classifier(image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a classifier: its outputs above the threshold are shown as probabilities, whatever they are."""
    (output,) = outputs
    if output.type not in _CLASSIFIER_TYPES:
        return _unreadable(outputs, _CLASSIFIER_TYPES)
    if image.packed and not image.square:
        return Verdict(
            "no",
            f"the firmware exchanges width and height of a classifier's input, {image.width}x{image.height}, "
            "and the network gets a sheared picture",
            "use a square input",
        )
    if output.type != _FLOAT and not _is_normalised(output):
        return Verdict(
            "no",
            f"the firmware divides the scores of an {output.type} output by 100 where its scale is 0.1 or "
            f"more; here it is {output.scale_text}",
            "end the network in its softmax, so that the scores are 0 to 1",
        )
    operation = output.name.removesuffix("_f32").rpartition("_")[2]
    if operation in _LINEAR:
        return Verdict(
            "badly",
            f"it ends in a {operation}: the camera shows raw outputs as probabilities, every one above 0.5",
            "end the network in its softmax",
        )
    return YES


def yolov8(_image: Image, _outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLOv8: boxes are read from the score tensors, and the number of classes from a box tensor."""
    return Verdict(
        "no",
        "the firmware reads the boxes of a YOLOv8 from its score tensors and finds nothing: mAP50 was 0.0000 "
        "with float and with INT8 outputs",
        INTERLEAVE,
    )


def nvidia_det(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge an NvidiaDet: both outputs have to be floats, with four values of a box for each score."""
    if any(tensor.type != _FLOAT for tensor in outputs):
        return _unreadable(outputs, (_FLOAT,))
    scores, boxes = sorted(tensor.shape[3] for tensor in outputs)
    if boxes != 4 * scores:
        return Verdict(
            "no",
            f"the firmware reads four box values for each of {scores} scores, and there are {boxes}",
            "use a network with 4 box channels for each class",
        )
    return YES


def yolo11(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLO11: with INT8 outputs, boxes are read with the scale of scores and the other way round."""
    heads = outputs[:SIX]
    if fault := _mixed(heads) or _counts([shape[1] for shape in interleaved([t.shape for t in heads])[1]]):
        return fault
    if heads[0].type == _INT8:
        return Verdict(
            "badly",
            "with INT8 outputs the firmware exchanges the scales of boxes and scores. On a detector of four "
            "shapes that cost 0.08 mAP50-95 (0.842 fell to 0.761)",
            FLOAT_OUTPUTS,
        )
    return YES


def yolo11_pose_or_seg(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLO11-pose or -seg: INT8 outputs are accepted and read as if they were floats."""
    if all(tensor.type == _FLOAT for tensor in outputs):
        return YES
    if any(tensor.type == _INT8 for tensor in outputs):
        return Verdict(
            "no", "the firmware accepts INT8 outputs and reads them as floats: nonsense", FLOAT_OUTPUTS
        )
    return _unreadable(outputs, (_FLOAT,))


def yolo26(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLO26: the firmware takes four channels of the second output for a sign of grouped outputs."""
    heads = outputs[:SIX]
    shapes = [tensor.shape for tensor in heads]
    in_turns = shapes[0][2] == shapes[1][2]
    if in_turns and shapes[1][1] == 4:
        return Verdict(
            "no",
            "the firmware takes heads in turns for grouped ones where there are four classes, and reads "
            "boxes as scores",
            "give the six outputs grouped: three boxes, then three scores",
        )
    scores = (interleaved if in_turns else grouped)(shapes)[1]
    return _mixed(heads) or _counts([shape[1] for shape in scores]) or YES


def yolo26_pose(_image: Image, outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLO26-pose: double detections are not suppressed, and nobody has measured it."""
    if len(outputs) == 1:
        return Verdict("no", "the firmware has no decoding for its one output", "use YOLO11-pose")
    return Verdict(
        "unclear", "the firmware does not suppress double detections, and this was not tried on a camera"
    )


def yolo26_seg(_image: Image, _outputs: Sequence[Tensor]) -> Verdict:
    """Judge a YOLO26-seg: the firmware's function for decoding it is empty."""
    return Verdict("no", "the firmware has no decoding for YOLO26-seg yet", "use YOLO11-seg")


def _mixed(heads: Sequence[Tensor]) -> Verdict | None:
    """Return the fault of heads of different or unreadable types: the firmware looks at the first alone."""
    first = heads[0].type
    others = sorted({tensor.type for tensor in heads} - {first})
    if first not in {_FLOAT, _INT8}:
        return _unreadable(heads, (_FLOAT, _INT8))
    if not others:
        return None
    ends = ", and crashes" if first == _FLOAT else ""
    reason = f"the first output is {first}, so the firmware reads the {others[0]} ones as {first} too{ends}"
    return Verdict("no", reason, FLOAT_OUTPUTS)


def _counts(classes: Sequence[int]) -> Verdict | None:
    """Return the fault of scores with different numbers of classes: the firmware looks at the first alone."""
    if len(set(classes)) == 1:
        return None
    listed = ", ".join(map(str, classes))
    return Verdict(
        "no",
        f"the score tensors have {listed} classes, and the firmware reads {classes[0]} of each",
        "use the score tensors of one network, with the same number of classes",
    )


def _unreadable(outputs: Sequence[Tensor], types: Sequence[str]) -> Verdict:
    found = ", ".join(sorted({tensor.type for tensor in outputs} - set(types)))
    return Verdict(
        "no", f"the camera cannot read {found} outputs; it reads {', '.join(types)}", FLOAT_OUTPUTS
    )
