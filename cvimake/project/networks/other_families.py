"""Recognises well-known families by the form of their outputs.

No graph says how images are prepared. The values here are those of the makers' own programs, and so a guess
for a network that somebody has trained anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from cvimake.project.networks.activations import bare, before
from cvimake.project.networks.findings import SIGNED_RGB, Findings, Preprocessing, Task
from cvimake.project.networks.heads import STRIDES, Image, heads_of, last_convolutions
from cvimake.project.networks.network import Network, Shape

_RAW_BGR = Preprocessing((0.0,) * 3, (1.0,) * 3, "bgr")
_RAW_RGB = Preprocessing((0.0,) * 3, (1.0,) * 3, "rgb")
_UNIT_BGR = Preprocessing((0.0,) * 3, (0.0039216,) * 3, "bgr")
_SIGNED_BGR = replace(SIGNED_RGB, pixel_format="bgr")
# ImageNet's, in the order of BGR and, as PaddleOCR has them, in the order of RGB for images that are BGR.
_IMAGENET_BGR = Preprocessing((103.53, 116.28, 123.675), (0.0174292, 0.0175070, 0.0171248), "bgr")
_PADDLE = Preprocessing((123.675, 116.28, 103.53), (0.0171248, 0.0175070, 0.0174292), "bgr")
_CORNERS, _FACE_POINTS = 4, 10
# Distributions over 8 and over 11 distances to each of four sides.
_NANODET_BOXES = (32, 44)
_LINE_HEIGHTS = (32, 48)
_FEWEST_CHARACTERS = 11


def yunet(network: Network, image: Image) -> Findings | None:
    """YuNet: for each of three grids whether there is a face (twice), its box, and five points."""
    counts = Counter(network.outputs.values())
    sizes = [_cells(image, stride) for stride in STRIDES]
    wanted: Counter[Shape] = Counter()
    for size in sizes:
        for channels in (1, 1, _CORNERS, _FACE_POINTS):
            wanted[image.batch, size, channels] += 1
    if counts != wanted:
        return None
    return _found(
        network, image, "YuNet", "detect", 1, network.outputs, _RAW_BGR,
        f"12 outputs: two scores, 4 corners and 10 coordinates of points for {_listed(sizes)} cells",
    )  # fmt: skip


def centerface(network: Network, image: Image) -> Findings | None:
    """CenterFace: maps of a quarter of the image's size: scores, sizes, offsets, five points."""
    size = (image.height // 4, image.width // 4)
    shapes = [(image.batch, channels, *size) for channels in (1, 2, 2, _FACE_POINTS)]
    if Counter(network.outputs.values()) != Counter(shapes):
        return None
    return _found(
        network, image, "CenterFace", "detect", 1, network.outputs, _RAW_RGB,
        f"4 outputs of 1, 2, 2 and 10 channels on a grid of {size[0]} x {size[1]}, a quarter of the image",
    )  # fmt: skip


def blazeface(network: Network, image: Image) -> Findings | None:
    """BlazeFace and MediaPipe's detector of palms: 2 and 6 anchors for the cells of two grids."""
    anchors = {2 * _cells(image, stride) + 6 * _cells(image, 2 * stride) for stride in STRIDES[:2]}
    shapes = sorted(network.outputs.values(), key=str)
    for values, name in ((16, "BlazeFace"), (18, "MediaPipe's palm detector")):
        wanted = [
            sorted([(image.batch, count, 1), (image.batch, count, values)], key=str) for count in anchors
        ]
        if shapes in wanted:
            return _found(
                network, image, name, "detect", 1, network.outputs, SIGNED_RGB,
                f"{shapes[0][1]} anchors, 2 and 6 for the cells of two grids: score and {values} numbers",
            )  # fmt: skip
    return None


def fastestdet(network: Network, image: Image) -> Findings | None:
    """FastestDet: one grid of stride 16 with a score, a box and classes, joined into one tensor."""
    if len(network.outputs) != 1:
        return None
    ((output, shape),) = network.outputs.items()
    node = network.producers.get(output)
    wanted = (image.batch, None, image.height // 16, image.width // 16)
    if node is None or node.op != "Concat" or len(node.inputs) != 3 or len(shape) != len(wanted):  # noqa: PLR2004 - score, box, classes
        return None
    channels = [network.shape(name)[1:2] for name in node.inputs]
    classes = (shape[1] or 0) - 5
    if shape[2:] != wanted[2:] or channels != [(1,), (_CORNERS,), (classes,)]:
        return None
    return _found(
        network, image, "FastestDet", "detect", classes, node.inputs, _UNIT_BGR,
        f"1, 4 and {classes} channels on one grid of stride 16: score, box, classes",
    )  # fmt: skip


def nanodet(network: Network, image: Image) -> Findings | None:
    """NanoDet: classes and distributions over distances in one head for each of three or four grids."""
    heads = heads_of(network, image, last_convolutions(network, network.outputs))
    if heads is None or len(heads.channels) != 1 or len(network.outputs) != 1:
        return None
    (channels,), (shape,) = heads.channels, network.outputs.values()
    strides = sorted(heads.tensors)
    cells = sum(_cells(image, stride) for stride in strides)
    boxes = next((boxes for boxes in _NANODET_BOXES if boxes < channels), 0)
    if not boxes or shape != (image.batch, cells, channels):
        return None
    return _found(
        network, image, "NanoDet", "detect", channels - boxes,
        [heads.tensors[stride][0] for stride in strides], _IMAGENET_BGR,
        f"heads of {channels} channels on the grids of strides {_listed(strides)}, joined without decoding",
    )  # fmt: skip


def text_detector(network: Network, image: Image) -> Findings | None:
    """PP-OCR's detector of text (DB): a map of scores of the image's own size, made larger in two steps."""
    if len(network.outputs) != 1:
        return None
    ((output, shape),) = network.outputs.items()
    logits, op = before(network, output)
    node = network.producers.get(logits)
    while node is not None and node.op in {"Add", "BatchNormalization"}:
        node = network.producers.get(node.input_at(0))
    if op != "Sigmoid" or shape != (image.batch, 1, image.height, image.width) or image.channels == 1:
        return None
    if node is None or node.op != "ConvTranspose":
        return None
    return _found(
        network, image, "PP-OCR text detector", "detect", 1, [output], _PADDLE,
        "one map of scores of the image's own size, behind a ConvTranspose and a Sigmoid",
    )  # fmt: skip


def text_reader(network: Network, image: Image) -> Findings | None:
    """PP-OCR's reader: for each column of a line of text a number for each character."""
    if len(network.outputs) != 1 or image.height not in _LINE_HEIGHTS:
        return None
    ((output, shape),) = network.outputs.items()
    if len(shape) != 3 or shape[1] not in {image.width // 4, image.width // 8}:  # noqa: PLR2004 - batch, columns, characters
        return None
    characters = shape[2] or 0
    if characters < _FEWEST_CHARACTERS or before(network, output)[1] not in {"Softmax", "LogSoftmax"}:
        return None
    return _found(
        network, image, "PP-OCR reader", "read", characters - 1, [output], _SIGNED_BGR,
        f"a softmax over {characters} characters for each of {shape[1]} columns of a line of text",
    )  # fmt: skip


def _found(  # noqa: PLR0913, PLR0917 - all that a family is
    network: Network,
    image: Image,
    family: str,
    task: Task,
    classes: int,
    outputs: Iterable[str],
    preprocessing: Preprocessing,
    why: str,
) -> Findings:
    outputs = tuple(outputs)
    ends = tuple(bare(network, name) for name in outputs)
    unsure = [
        f"mean, scale and pixel_format are a guess: those of {family}'s makers; the graph does not have them"
    ]
    if ends != outputs:
        unsure.append(
            "it ends before its last sigmoids or softmax, behind which most scores lie close to 0 and INT8 "
            "keeps few of them apart: compute these on the camera's CPU"
        )
    return Findings(
        family=family,
        task=task,
        image=image,
        classes=classes,
        outputs=ends,
        preprocessing=preprocessing,
        why=(why,),
        unsure=tuple(unsure),
    )


def _cells(image: Image, stride: int) -> int:
    return -(-image.height // stride) * -(-image.width // stride)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
