"""Recognises the YOLO families by the channels of their heads on each grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cvimake.project.networks import float_layers
from cvimake.project.networks.findings import UNIT, Findings, Preprocessing, Task
from cvimake.project.networks.heads import STRIDES, Heads, Image, has_depthwise, heads_of, last_convolutions
from cvimake.project.networks.network import Network

_DISTANCES = 4
_ANCHORS = 3
_PROTOTYPES = 32
_YOLOX = Preprocessing((0.0,) * 3, (1.0,) * 3, "bgr")


def anchor_free(network: Network, image: Image) -> Findings | None:
    """Recognise YOLOv8, YOLO11, YOLO26, and networks with heads like theirs."""
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
    outputs = _anchor_free_outputs(network, image, heads, task)
    found = Findings(
        family=family,
        task=task,
        image=image,
        classes=classes,
        outputs=outputs,
        float_layers=float_layers.of_anchor_free(network, heads, outputs),
        preprocessing=UNIT,
        why=(
            f"heads of {_series(heads.channels)} channels on the grids of strides {_series(heads.tensors)}",
            reason,
        ),
    )
    return replace(found, unsure=tuple(_doubts(network, heads, found)))


def _is_oriented(network: Network) -> bool:
    """Tell whether boxes have an angle, which the camera does not draw."""
    return any(node.op in {"Sin", "Cos"} for node in network.behind(network.outputs))


def _series(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _family(network: Network, heads: Heads, box: int) -> tuple[str, str]:
    if box == _DISTANCES:
        return "YOLO26", "boxes are four distances, not distributions over them"
    if has_depthwise(network, heads.tensors[STRIDES[0]][1]):
        return "YOLO11", "boxes are distributions over 16 distances; the class heads are depthwise"
    return "YOLOv8", "boxes are distributions over 16 distances; the class heads are plain convolutions"


def _anchor_free_outputs(network: Network, image: Image, heads: Heads, task: Task) -> tuple[str, ...]:
    if task == "detect":
        box, classes = heads.channels
        # If both have four channels, the camera takes any order for the grouped one.
        return heads.grouped if box == classes == _DISTANCES else heads.interleaved
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
    """Return the output with the masks that make up a segmentation."""
    wanted = (image.batch, _PROTOTYPES, image.height // 4, image.width // 4)
    return tuple(name for name, shape in network.outputs.items() if shape == wanted)[:1]


def _is_end_to_end(network: Network) -> bool:
    return any(node.op in {"TopK", "NonMaxSuppression"} for node in network.behind(network.outputs))


def _doubts(network: Network, heads: Heads, found: Findings) -> list[str]:
    doubts = []
    if set(heads.tensors) > set(STRIDES):
        doubts.append("it has a fourth grid, of stride 64. The camera does not read it, so it is left out")
    if found.family == "YOLO26" and found.task == "detect" and not _is_end_to_end(network):
        doubts.append(
            "it was exported without its end-to-end branch, and these heads find an object several times. "
            "The camera then suppresses duplicates of all classes together, which can lose objects that "
            "overlap. Ultralytics: yolo export nms=False keeps the end-to-end heads"
        )
    if found.family == "YOLO26" and found.task != "detect" and _is_end_to_end(network):
        doubts.append(
            "its end-to-end result needs operators that the toolchain does not have, so the outputs are the "
            f"bare heads; the camera has no {found.task} for YOLO26. Exported without nms=False, it ends in "
            "one decoded tensor, as YOLO11 does"
        )
    return doubts


def anchors(network: Network, image: Image) -> Findings | None:
    """Recognise YOLOv5 with its three anchors for each cell."""
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
    bare = any(shape[-1:] == (classes + 5,) for shape in network.outputs.values())
    if not (decoded or bare):
        # Any features on three grids could be these.
        return None
    unsure = [] if decoded else ["there is no decoded output; these are the bare heads"]
    if set(heads.tensors) > set(STRIDES):
        unsure.append("it has a fourth grid, of stride 64, which the camera does not read")
    return Findings(
        family="YOLOv5",
        task="detect",
        image=image,
        classes=classes,
        outputs=tuple(decoded[:1]) or heads.interleaved,
        relative_boxes=bool(decoded),
        float_layers=float_layers.behind_sigmoids(network, decoded[0]) if decoded else (),
        preprocessing=UNIT,
        why=(f"heads of 3 x (5 + {classes}) channels on the grids of strides 8, 16, 32: three anchors each",),
        unsure=tuple(unsure),
    )


def yolox(network: Network, image: Image) -> Findings | None:
    """Recognise YOLOX, whose heads have the box, the score of an object, and the classes."""
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
            "before release 0.2, YOLOX took RGB normalised as for ImageNet: [input] then needs other values",
        ),
    )
