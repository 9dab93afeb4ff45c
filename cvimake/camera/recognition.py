"""Tells which kind of model the camera takes a cvimodel for, and whether the cvimodel works there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from cvimake.camera import camera_picture, decoding
from cvimake.camera.decoding import Verdict, Works
from cvimake.camera.kinds import KINDS, Kind
from cvimake.camera.layouts import Image, Shape, unfit
from cvimake.toolchain.cvimodel import Tensor

_IN_WORDS: dict[Works, str] = {
    "yes": "works",
    "badly": "works badly",
    "no": "does not work",
    "unclear": "may not work",
}
_PACKED = 'declare fuse_preprocess, quant_input and customization_format = "RGB_PACKED" in [deploy]'


class Recognition(BaseModel):
    """The kind of model that the camera takes a cvimodel for, and whether the cvimodel works there.

    Attributes:
        as_: the kind of model; empty if the camera refuses the file.
        type: the firmware's number for it.
        works: `yes` if the camera shows what the network computes; `badly` if it shows something worse;
            `no` if it shows nothing or nonsense, or crashes; `unclear` if that depends on values that are not
            in any file.
        reason: why it is refused, or does not work as it should.
        warnings: other things that can go wrong.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    as_: str
    type: int | None
    works: Works = "unclear"
    reason: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the kind, or `nothing`."""
        return self.as_ or "nothing"

    @property
    def in_words(self) -> str:
        """Return in words whether it works."""
        return _IN_WORDS[self.works] if self.as_ else "is refused"

    @property
    def trouble(self) -> str:
        """Return why it does not work as it should, and what to do about that; empty if it works."""
        if self.works == "yes":
            return ""
        taken = (
            f"the camera takes it for {self.as_}, and that {self.in_words}"
            if self.as_
            else "the camera refuses it"
        )
        remedy = f". What to do: {self.remedy}" if self.remedy else ""
        return f"{taken}: {self.reason}{remedy}"


def recognise(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    algorithm: int = 0,
    *,
    relative_boxes: bool | None = None,
    declared: camera_picture.Declared = camera_picture.NOTHING,
) -> Recognition:
    """Return the kind of model that the camera takes a network for, and whether the network works there.

    Args:
        inputs: the cvimodel's inputs.
        outputs: its outputs, in its order.
        algorithm: the number of the kind that the camera's node tries first; 0 for none.
        relative_boxes: whether its boxes are fractions of the input; None if that is not known.
        declared: what its declaration says of the camera's picture.
    """
    if len(inputs) != 1:
        return _refused(f"the camera gives one input, and this has {len(inputs)}")
    image = Image(inputs[0].shape)
    if reason := unfit(image):
        return _refused(reason)
    shapes = [tensor.shape for tensor in outputs]
    kind = next((kind for kind in _asked(algorithm) if kind.fits(image, shapes)), None)
    if kind is None:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        return _refused(f"no kind of model has the outputs {listed}{_nearest(image, shapes)}")
    verdict = kind.judge(image, outputs)
    if kind.name == "YOLOv5" and verdict.works == "unclear" and relative_boxes is not None:
        verdict = decoding.yolov5_of(outputs, relative_boxes=relative_boxes)
    if verdict.works != "no":
        verdict = _unfed(image, inputs[0], declared.fault) or verdict
    return Recognition(
        as_=kind.name,
        type=kind.type,
        works=verdict.works,
        reason=verdict.reason,
        remedy=verdict.remedy,
        warnings=(*_lookalikes(kind, image, shapes), *declared.of_input, *declared.warnings),
    )


def _asked(algorithm: int) -> Iterator[Kind]:
    """Yield the kinds that the firmware tries: all from the given one on. The last ones have to be given."""
    told = next((kind for kind in KINDS if kind.type == algorithm), None)
    if told is not None and told.told:
        yield told
    elif told is not None or algorithm == 0:
        yield from (kind for kind in KINDS if not kind.told and kind.type >= algorithm)


def _refused(reason: str) -> Recognition:
    return Recognition(as_="", type=None, works="no", reason=reason)


def _unfed(image: Image, tensor: Tensor, fault: camera_picture.Fault | None) -> Verdict | None:
    """Return why the camera's picture does not fit the input; None if it does."""
    if image.packed and image.channels == 3 and tensor.type == "uint8":
        return Verdict("no", fault.reason, fault.remedy) if fault else None
    form = "packed" if image.packed else "planar"
    return Verdict(
        "no",
        f"the camera writes packed RGB of three bytes a pixel into its input, which is {form}, has "
        f"{image.channels} channels and is of type {tensor.type}",
        _PACKED if image.channels == 3 else "use a network that takes RGB pictures",
    )


def _nearest(image: Image, shapes: Sequence[Shape]) -> str:
    """Return the likeliest cause why outputs fit no kind; empty if none is likely."""
    one = shapes[0] if len(shapes) == 1 else (0, 0, 0, 0)
    causes = {
        f"; the input is {image.width}x{image.height}, and detectors must be square": not image.square,
        "; one anchor-free output is only taken for pose, with 8, 11, 14 … channels: use the six heads": (
            one[2] == image.locations
        ),
        "; of a YOLOv5 with one input channel the firmware wants a third as many rows": (
            image.channels == 1 and one[1] == 3 * image.locations
        ),
        "; the firmware has no kind with one row for each cell, such as YOLOX": one[1] == image.locations,
        "; raw YOLOv5 heads are not recognised: use the decoded output": len(shapes) == 3,
        "; the firmware has YOLO26-pose only where its node is told algorithm = 15": len(shapes) >= 9,
    }
    return next((cause for cause, likely in causes.items() if likely), "")


def _lookalikes(kind: Kind, image: Image, outputs: Sequence[Shape]) -> Iterator[str]:
    if kind.name == "YOLO11-pose" and outputs[0][1] in {8, 11, 14}:
        classes = outputs[0][1] - 4
        yield f"a detector of {classes} classes with one output looks the same; the camera takes it for pose"
    if kind.name == "FOMO" and outputs[0][1:3] == (image.height, image.width):
        yield "a semantic segmentation looks the same; the camera takes it for FOMO"
