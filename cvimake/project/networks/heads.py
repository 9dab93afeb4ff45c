"""Finds a detector's last convolutions, by walking back from its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cvimake.core import graph
from cvimake.project.networks.network import Network, Node, Shape

# The strides that the camera's post-processing reads. P6 networks have a fourth.
STRIDES = (8, 16, 32)
_STRIDES_OF_ALL = (*STRIDES, 64)
# The weights of the convolution that turns a distribution over 16 distances into its mean (DFL).
_DISTANCES: Shape = (1, 16, 1, 1)
# The most nodes of a class head: five layers, each with its activation.
_HEAD_DEPTH = 20


@dataclass(frozen=True)
class Image:
    """The one input of a network that takes images.

    Attributes:
        channels: 1 or 3.
        channels_last: whether they stand behind height and width.
    """

    name: str
    batch: int
    channels: int
    height: int
    width: int
    channels_last: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The input's shape, with the channels where the network has them."""
        if self.channels_last:
            return (self.batch, self.height, self.width, self.channels)
        return (self.batch, self.channels, self.height, self.width)

    @property
    def locations(self) -> int:
        """The number of cells of the grids of all strides that the camera reads."""
        return sum((self.height // stride) * (self.width // stride) for stride in STRIDES)


def image_of(network: Network) -> Image | None:
    """Return the input as an image; None if there are several inputs or it is not an image."""
    if len(network.inputs) != 1:
        return None
    ((name, shape),) = network.inputs.items()
    match shape:
        case (int(batch), (1 | 3) as channels, int(height), int(width)):
            return Image(name, batch, channels, height, width)
        case (int(batch), int(height), int(width), (1 | 3) as channels):
            return Image(name, batch, channels, height, width, channels_last=True)
    return None


def last_convolutions(network: Network, tensors: Iterable[str]) -> tuple[str, ...]:
    """Return the convolutions' outputs that the tensors are computed from without another convolution.

    They come in the order in which the operators name them: in every known head the boxes stand before the
    scores.
    """

    def followed(tensor: str) -> tuple[str, ...]:
        node = network.producers.get(tensor)
        # The size of a tensor says nothing of its contents.
        if node is None or node.op in {"Shape", "Size"} or _is_layer(network, node):
            return ()
        return node.inputs

    found = graph.reached(tensors, followed)
    producers = network.producers
    return tuple(name for name in found if name in producers and _is_layer(network, producers[name]))


def _is_layer(network: Network, node: Node) -> bool:
    """Tell whether a node is a convolution that belongs to the network, and not to the decoding of boxes."""
    return node.op == "Conv" and not _is_mean_of_distances(network, node)


def _is_mean_of_distances(network: Network, node: Node) -> bool:
    """Tell whether a convolution turns a distribution into one distance, and so belongs to the decoding."""
    if network.shape(node.input_at(1)) != _DISTANCES:
        return False
    tensor = node.input_at(0)
    for _ in range(_HEAD_DEPTH):
        before = network.producers.get(tensor)
        if before is None or before.op not in {"Transpose", "Reshape", "Identity"}:
            return before is not None and before.op == "Softmax"
        tensor = before.input_at(0)
    return False


@dataclass(frozen=True)
class Heads:
    """Heads on the grids of several strides, each with the same channels.

    Attributes:
        tensors: by stride, in the order of `channels`.
    """

    tensors: Mapping[int, tuple[str, ...]]
    channels: tuple[int, ...]

    @property
    def interleaved(self) -> tuple[str, ...]:
        """The tensors grid by grid."""
        return tuple(name for stride in STRIDES for name in self.tensors[stride])

    @property
    def grouped(self) -> tuple[str, ...]:
        """The tensors kind by kind: all boxes, then all scores, and so on."""
        return tuple(
            self.tensors[stride][number] for number in range(len(self.channels)) for stride in STRIDES
        )


def heads_of(network: Network, image: Image, tensors: Sequence[str]) -> Heads | None:
    """Return the heads among convolutions' outputs; None if they are not the same on every grid."""
    by_stride: dict[int, list[str]] = {}
    for tensor in tensors:
        shape = network.shape(tensor)
        stride = next(
            (
                stride
                for stride in _STRIDES_OF_ALL
                if shape[2:] == (-(-image.height // stride), -(-image.width // stride))
            ),
            None,
        )
        if stride is not None:
            by_stride.setdefault(stride, []).append(tensor)
    if not set(STRIDES) <= set(by_stride):
        return None
    channels = {tuple(network.shape(name)[1] for name in names) for names in by_stride.values()}
    if len(channels) > 1:
        return None
    alike = tuple(length for length in channels.pop() if length)
    heads = Heads({stride: tuple(names) for stride, names in by_stride.items()}, alike)
    return heads if len(alike) == len(heads.tensors[STRIDES[0]]) else None


def has_depthwise(network: Network, tensor: str) -> bool:
    """Tell whether a depthwise convolution is among the few layers of a head."""
    for _ in range(_HEAD_DEPTH):
        node = network.producers.get(tensor)
        if node is None or node.op not in {
            "Conv",
            "Mul",
            "Sigmoid",
            "Relu",
            "BatchNormalization",
            "Identity",
        }:
            return False
        if node.is_depthwise:
            return True
        # In x · sigmoid(x), both inputs lead to x.
        tensor = node.input_at(0)
    return False
