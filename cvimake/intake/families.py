"""What family and task a network is of, by its structure; nothing is told by a file's name.

Each recogniser looks at the graph and answers with its findings or with None; the first answer counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cvimake import device
from cvimake.cvimodel import Tensor
from cvimake.intake.heads import (
    STRIDES,
    Heads,
    Image,
    has_depthwise,
    heads_of,
    image_of,
    last_convolutions,
)
from cvimake.intake.network import Network, Node, class_names

Task = Literal["detect", "segment", "pose", "classify"]
_DISTRIBUTION, _DISTANCES = 64, 4
_ANCHORS = 3
_PROTOTYPES = 32
_AXES = 4
_ULTRALYTICS = re.compile(r"Ultralytics (\S+) model")


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input: (pixel - mean) · scale, one number for each channel."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    pixel_format: str
    keep_aspect_ratio: bool = True
    pad_value: int = 0


_UNIT = Preprocessing((0.0,) * 3, (0.0039216,) * 3, "rgb", pad_value=114)
_STRETCHED_UNIT = replace(_UNIT, keep_aspect_ratio=False, pad_value=0)
_GRAY = Preprocessing((0.0,), (0.0039216,), "gray", keep_aspect_ratio=False)
_YOLOX = Preprocessing((0.0,) * 3, (1.0,) * 3, "bgr", pad_value=114)
_IMAGENET = Preprocessing(
    (123.675, 116.28, 103.53), (0.0171248, 0.0175070, 0.0174292), "rgb", keep_aspect_ratio=False
)
_SSD = Preprocessing((127.0,) * 3, (0.0078125,) * 3, "rgb", keep_aspect_ratio=False)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a network was recognised as.

    Attributes:
        classes: how many.
        outputs: the tensors that a cvimodel of it should end in.
        camera: what the camera takes these for; empty if for nothing.
        why: what in the graph says so.
        unsure: what the graph does not say, or where the camera will not do what one might expect.
    """

    family: str
    task: Task
    image: Image
    classes: int
    outputs: tuple[str, ...]
    preprocessing: Preprocessing
    camera: str = ""
    why: tuple[str, ...]
    unsure: tuple[str, ...] = field(default=())


def recognise(network: Network) -> Findings | None:
    """What a network is; None where it is nothing that is known here."""
    image = image_of(network)
    if image is None:
        return None
    found = next((found for look in _RECOGNISERS if (found := look(network, image))), None)
    return None if found is None else _completed(network, found)


def _anchor_free(network: Network, image: Image) -> Findings | None:
    """YOLOv8, YOLO11, YOLO26 and what has heads as they have."""
    heads = heads_of(network, image, last_convolutions(network, network.outputs))
    if heads is None or _is_oriented(network):
        return None
    match heads.channels:
        case ((64 | 4) as box, classes):
            task: Task = "detect"
        case ((64 | 4) as box, classes, 32) if _prototypes(network, image):
            task = "segment"
        case ((64 | 4) as box, classes, points) if points > 1:
            task = "pose"
        case _:
            return None
    family, reason = _family(network, heads, box)
    found = Findings(
        family=family,
        task=task,
        image=image,
        classes=classes,
        outputs=_anchor_free_outputs(network, image, heads, family, task),
        preprocessing=_UNIT,
        why=(
            f"heads of {_series(heads.channels)} channels on the grids of strides {_series(heads.tensors)}",
            reason,
        ),
    )
    return replace(found, unsure=tuple(_doubts(network, heads, found)))


def _is_oriented(network: Network) -> bool:
    """Whether its boxes have an angle: nothing on the camera draws them."""
    return any(node.op in {"Sin", "Cos"} for node in network.behind(network.outputs))


def _series(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _family(network: Network, heads: Heads, box: int) -> tuple[str, str]:
    if box == _DISTANCES:
        return "YOLO26", "boxes are four distances, not distributions over them"
    if has_depthwise(network, heads.tensors[STRIDES[0]][1]):
        return "YOLO11", "boxes are distributions over 16 distances; the class heads are depthwise"
    return "YOLOv8", "boxes are distributions over 16 distances; the class heads are plain convolutions"


def _anchor_free_outputs(
    network: Network, image: Image, heads: Heads, family: str, task: Task
) -> tuple[str, ...]:
    if task == "detect" and set(network.outputs) == set(heads.interleaved):
        # Somebody has cut it there already, in an order that the toolchain keeps.
        return tuple(network.outputs)
    if task == "detect":
        return heads.grouped if family == "YOLOv8" else heads.interleaved
    prototypes = _prototypes(network, image)
    results = [
        name
        for name, shape in network.outputs.items()
        if len(shape) == 3 and shape[1] and shape[2] and shape[1] >= sum(heads.channels[1:])  # noqa: PLR2004 - batch, channels, locations
    ]
    if _is_end_to_end(network) or not results:
        return (*heads.interleaved, *prototypes)
    return (results[0], *prototypes)


def _prototypes(network: Network, image: Image) -> tuple[str, ...]:
    """The output with the masks that a segmentation is made up of."""
    wanted = (image.batch, _PROTOTYPES, image.height // 4, image.width // 4)
    return tuple(name for name, shape in network.outputs.items() if shape == wanted)[:1]


def _is_end_to_end(network: Network) -> bool:
    return any(node.op in {"TopK", "NonMaxSuppression"} for node in network.behind(network.outputs))


def _doubts(network: Network, heads: Heads, found: Findings) -> list[str]:
    doubts = []
    if set(heads.tensors) > set(STRIDES):
        doubts.append("it has a fourth grid, of stride 64, which the camera does not read: it is left out")
    if found.family == "YOLO26" and found.task == "detect" and not _is_end_to_end(network):
        doubts.append(
            "it was exported without its end-to-end branch: these heads find an object several times, and "
            "whether the camera's YOLO26 sorts that out is not known. Ultralytics: yolo export nms=False "
            "keeps the end-to-end heads"
        )
    if found.family == "YOLO26" and found.task != "detect" and _is_end_to_end(network):
        doubts.append(
            "its end-to-end result takes operators that the toolchain has not, so the outputs are the bare "
            f"heads; the camera knows no {found.task} of YOLO26. Exported without nms=False it ends in one "
            "decoded tensor, as YOLO11 does"
        )
    return doubts


def _anchors(network: Network, image: Image) -> Findings | None:
    """YOLOv5 with its three anchors for each cell."""
    heads = heads_of(network, image, last_convolutions(network, network.outputs))
    if heads is None or len(heads.channels) != 1 or heads.channels[0] % _ANCHORS:
        return None
    classes = heads.channels[0] // _ANCHORS - 5
    if classes < 1:
        return None
    decoded = [
        name
        for name, shape in network.outputs.items()
        if len(shape) == 3 and shape[2] == classes + 5  # noqa: PLR2004 - batch, locations, channels
    ]
    unsure = [] if decoded else ["there is no decoded output; these are the bare heads"]
    if set(heads.tensors) > set(STRIDES):
        unsure.append("it has a fourth grid, of stride 64, which the camera does not read")
    return Findings(
        family="YOLOv5",
        task="detect",
        image=image,
        classes=classes,
        outputs=tuple(decoded[:1]) or heads.interleaved,
        preprocessing=_UNIT,
        why=(f"heads of 3 x (5 + {classes}) channels on the grids of strides 8, 16, 32: three anchors each",),
        unsure=tuple(unsure),
    )


def _yolox(network: Network, image: Image) -> Findings | None:
    heads = heads_of(network, image, last_convolutions(network, network.outputs))
    if heads is None or len(heads.channels) != 3 or heads.channels[:2] != (4, 1):  # noqa: PLR2004 - box, object, classes
        return None
    classes = heads.channels[2]
    # A pose or segmentation of one class has 4, 1 and some channels too, but before its locations.
    results = [name for name, shape in network.outputs.items() if shape[-1:] == (5 + classes,)]
    if not results:
        return None
    return Findings(
        family="YOLOX",
        task="detect",
        image=image,
        classes=classes,
        outputs=tuple(results[:1]),
        preprocessing=_YOLOX,
        why=(f"heads of 4, 1 and {classes} channels on three grids: box, object, classes",),
        unsure=(
            "before its release 0.2, YOLOX took RGB normalised as ImageNet: then [input] has other values",
        ),
    )


# What stands between a detector's raw tensors and its boxes.
_DECODING = frozenset({"Add", "Mul", "Sub", "Div", "Exp", "Slice", "Concat", "Split", "Identity"})


def _ssd(network: Network, image: Image) -> Findings | None:
    """Boxes and scores of anchors ("priors") on several grids, each as one tensor of all locations."""
    if len(network.outputs) != 2:  # noqa: PLR2004 - boxes and scores
        return None
    boxes = [name for name, shape in network.outputs.items() if len(shape) == 3 and shape[2] == _AXES]  # noqa: PLR2004 - batch, anchors, corners
    if len(boxes) != 1:
        return None
    scores = next(name for name in network.outputs if name != boxes[0])
    shape = network.outputs[scores]
    if len(shape) != 3 or shape[:2] != network.outputs[boxes[0]][:2] or not shape[2]:  # noqa: PLR2004 - batch, anchors, classes
        return None
    raw_boxes, raw_scores = _joined(network, boxes[0]), _joined(network, scores)
    if raw_boxes is None or raw_scores is None:
        return None
    return Findings(
        family="SSD",
        task="detect",
        image=image,
        classes=shape[2] - 1,
        outputs=(raw_boxes, raw_scores),
        preprocessing=_SSD,
        why=(f"boxes and scores of {shape[1]} anchors, each joined from convolutions on several grids",),
        unsure=(
            "mean, scale and pixel_format (127, 1/128, rgb) are usual for its kind; no graph says them",
            "it ends before softmax and box decoding, which the compiler gets wrong in such networks",
            f"the first of {shape[2]} classes is taken for the background",
        ),
    )


def _joined(network: Network, tensor: str) -> str | None:
    """The tensor that all locations were joined into, before it was decoded."""
    for _ in range(30):
        node = network.producers.get(tensor)
        if node is None or node.op not in _DECODING | {"Softmax", "Sigmoid"}:
            return None
        if node.op == "Concat" and all(_is_reshaped(network, name) for name in node.inputs):
            return tensor
        tensor = next((name for name in node.inputs if name not in network.constants), "")
    return None


def _is_reshaped(network: Network, tensor: str) -> bool:
    node = network.producers.get(tensor)
    return (
        node is not None and node.op in {"Reshape", "Flatten"} and bool(last_convolutions(network, [tensor]))
    )


# What can stand behind the last layer of a classifier, and between that and the features.
_AFTER = frozenset({"Softmax", "LogSoftmax", "Flatten", "Reshape", "Squeeze", "Identity", "Sigmoid", "Add"})
_BEFORE = frozenset({
    "Flatten", "Reshape", "Squeeze", "Identity", "Dropout", "Relu", "HardSwish", "Clip", "Mul", "Sigmoid",
    "Gemm", "MatMul", "Add", "HardSigmoid", "BatchNormalization",
})  # fmt: skip
# What a convolutional network has not.
_TRANSFORMERS = frozenset({"LayerNormalization", "Erf", "Gelu", "Attention"})
_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "AveragePool", "MaxPool"})


def _classifier(network: Network, image: Image) -> Findings | None:
    """A convolutional network whose one output is a number for each class."""
    if len(network.outputs) != 1:
        return None
    ((output, shape),) = network.outputs.items()
    if len(shape) not in {2, 4} or shape[0] != image.batch or set(shape[2:]) - {1}:
        return None
    classes, reason = shape[1] or 0, _scores(network, output)
    if classes < 2 or not reason:  # noqa: PLR2004 - less is no choice
        return None
    ultralytics = network.metadata.get("task") == "classify"
    unsure = (
        "mean, scale and pixel_format are ImageNet's, as torchvision has them; the graph does not say them",
        "a network that measures or compares (an embedding, a regression) looks the same as a classifier",
    )
    return Findings(
        family="Ultralytics classifier" if ultralytics else "classifier",
        task="classify",
        image=image,
        classes=classes,
        outputs=(output,),
        preprocessing=_STRETCHED_UNIT if ultralytics else _IMAGENET,
        why=(f"one output of {classes} numbers, from {reason}",),
        unsure=() if ultralytics else unsure,
    )


def _scores(network: Network, output: str) -> str:
    """What the classes' scores come from, where that is as in a plain classifier; empty where it is not."""
    last = _back(network, output, _AFTER)
    if last is None or any(node.op in _TRANSFORMERS for node in network.behind([output])):
        return ""
    features = _back(network, last.inputs[0], _BEFORE)
    if features is None or not last_convolutions(network, features.outputs):
        return ""
    if last.op in {"Gemm", "MatMul"} and features.op in _POOLS | {"Conv", "Concat"}:
        return f"a {last.op} behind a {features.op}"
    # The classes are the channels of the last convolution.
    return f"a {last.op} of them" if last.op in _POOLS and features.op == "Conv" else ""


def _back(network: Network, tensor: str, through: frozenset[str]) -> Node | None:
    """The first node behind a tensor that is not one of these operators."""
    for _ in range(40):
        node = network.producers.get(tensor)
        if node is None or node.op not in through:
            return node
        tensor = next((name for name in node.inputs if name not in network.constants), "")
    return None


Recogniser = Callable[[Network, Image], Findings | None]
_RECOGNISERS: Sequence[Recogniser] = (_yolox, _anchor_free, _anchors, _ssd, _classifier)


def _completed(network: Network, found: Findings) -> Findings:
    """With what the camera takes it for, what its exporter says, and doubts that hold for all."""
    why, unsure = list(found.why), list(found.unsure)
    preprocessing = found.preprocessing
    if found.image.channels == 1:
        preprocessing = _GRAY
        unsure.append("it takes one channel: gray from 0 to 1 is a guess")
    if name := _ULTRALYTICS.search(network.metadata.get("description", "")):
        why.append(f"its exporter calls it {name[1]}")
    task = network.metadata.get("task")
    if task and task != found.task:
        unsure.append(f"its exporter says that its task is {task}")
    names = class_names(network.metadata)
    if names and len(names) != found.classes:
        unsure.append(f"its exporter names {len(names)} classes, and the graph has {found.classes}")
    unsure += [f"{axis}. A cvimodel's shapes are fixed" for axis in network.assumed]
    camera = device.recognise(
        (_tensor(network, found.image.name),), [_tensor(network, name) for name in found.outputs]
    )
    if not camera.as_:
        unsure.append(f"the camera takes it for nothing: {camera.reason}")
    unsure += camera.warnings
    return replace(
        found, why=tuple(why), unsure=tuple(unsure), preprocessing=preprocessing, camera=camera.as_
    )


def _tensor(network: Network, name: str) -> Tensor:
    """A tensor as a cvimodel would have it: four axes; an axis that is not known is 0."""
    shape = [length or 0 for length in network.shape(name)][:_AXES]
    batch, channels, height, width = [*shape, *[1] * (_AXES - len(shape))]
    return Tensor(name=name, shape=(batch, channels, height, width), type="fp32", scale=1.0)
