"""Recognises convolutional networks that end in a number for each class."""

from __future__ import annotations

from cvimake.project.networks.findings import SIGNED_RGB, UNIT, Findings, Preprocessing
from cvimake.project.networks.heads import Image, last_convolutions
from cvimake.project.networks.network import Network, Node

_IMAGENET = Preprocessing((123.675, 116.28, 103.53), (0.0171248, 0.0175070, 0.0174292), "rgb")
# The classes of ImageNet, and one for the background.
_CLASSES_OF_TENSORFLOW = 1001
# Operators that can follow the last layer of a classifier, and operators between it and the features.
_AFTER = frozenset({"Softmax", "LogSoftmax", "Flatten", "Reshape", "Squeeze", "Identity", "Sigmoid", "Add"})
_BEFORE = frozenset({
    "Flatten", "Reshape", "Squeeze", "Identity", "Dropout", "Relu", "HardSwish", "Clip", "Mul", "Sigmoid",
    "Gemm", "MatMul", "Add", "HardSigmoid", "BatchNormalization",
})  # fmt: skip
# Operators that a convolutional network does not have.
_TRANSFORMERS = frozenset({"LayerNormalization", "Erf", "Gelu", "Attention"})
_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "AveragePool", "MaxPool"})


def classifier(network: Network, image: Image) -> Findings | None:
    """Recognise a convolutional network whose one output is a number for each class."""
    if len(network.outputs) != 1:
        return None
    ((output, shape),) = network.outputs.items()
    if len(shape) not in {2, 4} or shape[0] != image.batch or set(shape[2:]) - {1}:
        return None
    classes, reason = shape[1] or 0, _scores(network, output)
    if classes < 2 or not reason:  # noqa: PLR2004 - less is no choice
        return None
    ultralytics = network.metadata.get("task") == "classify"
    tensorflow = image.channels_last or classes == _CLASSES_OF_TENSORFLOW
    makers = "those of TensorFlow's MobileNets" if tensorflow else "ImageNet's, as torchvision has them"
    unsure = (
        f"mean, scale and pixel_format are a guess: {makers}; the graph does not have them",
        "a network that measures or compares (an embedding, a regression) looks the same as a classifier",
    )
    return Findings(
        family="Ultralytics classifier" if ultralytics else _family(network),
        task="classify",
        image=image,
        classes=classes,
        outputs=(output,),
        preprocessing=UNIT if ultralytics else SIGNED_RGB if tensorflow else _IMAGENET,
        why=(f"one output of {classes} numbers, from {reason}",),
        unsure=() if ultralytics else unsure,
    )


def _family(network: Network) -> str:
    """Return the family: a network with depthwise convolutions is like a MobileNet."""
    depthwise = any(node.is_depthwise for node in network.nodes)
    return "MobileNet-like classifier" if depthwise else "classifier"


def _scores(network: Network, output: str) -> str:
    """Say how the scores are computed, if it is as in a plain classifier; else return an empty text."""
    last = _back(network, output, _AFTER)
    if last is None or any(node.op in _TRANSFORMERS for node in network.behind([output])):
        return ""
    features = _back(network, last.input_at(0), _BEFORE)
    if features is None or not last_convolutions(network, features.outputs):
        return ""
    if last.op in {"Gemm", "MatMul"} and features.op in _POOLS | {"Conv", "Concat"}:
        return f"a {last.op} behind a {features.op}"
    # The classes are the channels of the last convolution.
    return f"a {last.op} of them" if last.op in _POOLS and features.op == "Conv" else ""


def _back(network: Network, tensor: str, through: frozenset[str]) -> Node | None:
    """Return the first node behind a tensor that is not one of these operators."""
    for _ in range(40):
        node = network.producers.get(tensor)
        if node is None or node.op not in through:
            return node
        tensor = next((name for name in node.inputs if name not in network.constants), "")
    return None
