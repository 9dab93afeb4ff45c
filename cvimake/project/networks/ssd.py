"""Recognises detectors with anchors on several grids, joined into one tensor of boxes and one of scores."""

from __future__ import annotations

from cvimake.project.networks.findings import Findings, Preprocessing
from cvimake.project.networks.heads import Image, last_convolutions
from cvimake.project.networks.network import Network

_CORNERS = 4
_USUAL = Preprocessing((127.0,) * 3, (0.0078125,) * 3, "rgb")
# The operators between a detector's raw tensors and its boxes.
_DECODING = frozenset({"Add", "Mul", "Sub", "Div", "Exp", "Slice", "Concat", "Split", "Identity"})


def ssd(network: Network, image: Image) -> Findings | None:
    """Recognise boxes and scores of anchors ("priors") on several grids, each one tensor of all locations."""
    if len(network.outputs) != 2:  # noqa: PLR2004 - boxes and scores
        return None
    boxes = [name for name, shape in network.outputs.items() if len(shape) == 3 and shape[2] == _CORNERS]  # noqa: PLR2004 - batch, anchors, corners
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
        preprocessing=_USUAL,
        why=(f"boxes and scores of {shape[1]} anchors, each joined from convolutions on several grids",),
        unsure=(
            "mean, scale and pixel_format (127, 1/128, rgb) are usual for its kind; no graph has them",
            "it ends before softmax and box decoding, which the compiler gets wrong in such networks",
            f"the first of {shape[2]} classes is taken for the background",
        ),
    )


def _joined(network: Network, tensor: str) -> str | None:
    """Return the tensor that all locations were joined into, before its decoding."""
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
