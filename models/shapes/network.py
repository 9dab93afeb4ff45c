"""The detector: a small convolutional backbone, a top-down neck, and heads at the strides 8, 16 and 32.

`Detector.wire` is the only description of how the layers are connected. Training runs it on torch tensors,
the export on names of ONNX tensors: what is exported cannot be wired differently from what was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

# Cells of the distribution over the distance from a cell's middle to one side of the box, in strides.
BINS = 16
SIDES = 4
STRIDES = (8, 16, 32)

_STEM, _STAGES, _INSIDE, _NECK, _HEAD = 16, (24, 40, 56, 72), (12, 20, 28, 24), 40, 24

Value = TypeVar("Value")


class Convolution(nn.Module):
    """A convolution, batch normalisation and ReLU; the last of a head is a convolution with a bias."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, last: bool = False
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=last)
        self.normalisation = None if last else nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, values: Tensor) -> Tensor:
        """`[n,inputs,h,w]` to `[n,outputs,h/stride,w/stride]`."""
        values = self.convolution(values)
        return values if self.normalisation is None else functional.relu(self.normalisation(values))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights and bias of the one convolution that this is when it is not training."""
        weights, normalisation = self.convolution.weight.detach(), self.normalisation
        if normalisation is None:
            assert self.convolution.bias is not None  # noqa: S101  # for the type checker: made with one
            return weights, self.convolution.bias.detach()
        mean, variance = normalisation.running_mean, normalisation.running_var
        assert mean is not None  # noqa: S101  # as above: it is made to keep them
        assert variance is not None  # noqa: S101
        factor = normalisation.weight.detach() / torch.sqrt(variance + normalisation.eps)
        return weights * factor[:, None, None, None], normalisation.bias.detach() - mean * factor


class Operations(Protocol[Value]):
    """What a network is wired of."""

    def convolve(self, layer: Convolution, name: str, value: Value) -> Value:
        """What a layer makes of a value."""

    def add(self, name: str, one: Value, other: Value) -> Value:
        """The sum, element by element."""

    def enlarge(self, name: str, value: Value) -> Value:
        """Twice as high and wide, every cell repeated."""


class _Torch:
    """On tensors."""

    def convolve(self, layer: Convolution, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        return layer.forward(value)

    def add(self, name: str, one: Tensor, other: Tensor) -> Tensor:  # noqa: ARG002
        return one + other

    def enlarge(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        return functional.interpolate(value, scale_factor=2.0, mode="nearest")


class Detector(nn.Module):
    """The whole network.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: dict[str, Convolution] = {"stem": Convolution(3, _STEM, 3, 2)}
        channels = _STEM
        for number, (outputs, inside) in enumerate(zip(_STAGES, _INSIDE, strict=True), 1):
            layers[f"stage{number}_down"] = Convolution(channels, outputs, 3, 2)
            layers[f"stage{number}_narrow"] = Convolution(outputs, inside, 3)
            layers[f"stage{number}_widen"] = Convolution(inside, outputs, 3)
            channels = outputs
        for stride, inputs in zip(STRIDES, _STAGES[1:], strict=True):
            layers[f"lateral_{stride}"] = Convolution(inputs, _NECK, 1)
            layers[f"neck_{stride}"] = Convolution(_NECK, _NECK, 3)
            layers[f"box_{stride}_inner"] = Convolution(_NECK, _HEAD, 3)
            layers[f"class_{stride}_inner"] = Convolution(_NECK, _HEAD, 3 if stride == STRIDES[-1] else 1)
            layers[f"box_{stride}"] = Convolution(_HEAD, SIDES * BINS, 1, last=True)
            layers[f"class_{stride}"] = Convolution(_HEAD, classes, 1, last=True)
        self.layers = nn.ModuleDict(layers)
        for stride in STRIDES:
            # One cell in a hundred shows something: training begins from there instead of unlearning a half.
            nn.init.constant_(self._layer(f"class_{stride}").convolution.bias, -4.6)

    def _layer(self, name: str) -> Convolution:
        layer = self.layers[name]
        assert isinstance(layer, Convolution)  # noqa: S101  # for the type checker
        return layer

    def wire(self, operations: Operations[Value], image: Value) -> list[Value]:
        """The six heads: box and class at each stride, in the order of `STRIDES`."""

        def convolve(name: str, value: Value) -> Value:
            return operations.convolve(self._layer(name), name, value)

        value = convolve("stem", image)
        stages = []
        for number in range(1, len(_STAGES) + 1):
            value = convolve(f"stage{number}_down", value)
            inner = convolve(f"stage{number}_widen", convolve(f"stage{number}_narrow", value))
            value = operations.add(f"stage{number}", value, inner)
            stages.append(value)
        features: dict[int, Value] = {}
        above: Value | None = None
        for stride, stage in reversed(list(zip(STRIDES, stages[1:], strict=True))):
            value = convolve(f"lateral_{stride}", stage)
            if above is not None:
                value = operations.add(
                    f"merged_{stride}", value, operations.enlarge(f"enlarged_{stride}", above)
                )
            above = value = convolve(f"neck_{stride}", value)
            features[stride] = value
        inner_values = [
            (f"{head}_{stride}", convolve(f"{head}_{stride}_inner", features[stride]))
            for stride in STRIDES
            for head in ("box", "class")
        ]
        # Last of all and in this order: the toolchain orders a cvimodel's outputs as their nodes are ordered.
        return [convolve(name, value) for name, value in inner_values]

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """`[n,3,h,w]` in 0..1 to six heads: `[n,64,g,g]` and `[n,classes,g,g]` for each stride."""
        return self.wire(_Torch(), images)
