"""Brings decoded boxes from pixels to fractions of the input's size.

The network ends in one tensor whose last axis holds x, y, width, height and then scores, like a YOLOv5's. The
factors are applied as early as possible: to the boxes before they are joined with the scores, and there to
the fixed numbers that the network multiplies by anyway. So an INT8 network joins numbers of one range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from . import tidy
from .network import Array, Network, tensor_names
from .refusal import RefusedError

_RANK, _IMAGE_RANK, _BOX = 3, 4, 4
# Fractions may be a little larger than 1; pixels reach the input's last column.
_LARGEST_FRACTION = 2.0


def factors(model: ModelProto) -> Array:
    """Return the numbers that the last axis of the network's one output is multiplied by.

    Raises:
        RefusedError: it does not end in boxes, or does not take an image.
    """
    outputs, inputs = model.graph.output, model.graph.input
    if len(outputs) != 1:
        raise RefusedError(
            f"[output] relative_boxes is for a network with one output, and this has {len(outputs)}: "
            f"{', '.join(value.name for value in outputs)}"
        )
    name = outputs[0].name
    shape = Network.of(model).shape(name)
    if shape is None or len(shape) != _RANK or (shape[-1] or 0) <= _BOX:
        text = "of a shape that is not known" if shape is None else f"{shape}"
        raise RefusedError(
            "[output] relative_boxes is for an output [batch, boxes, 4 + scores], as a YOLOv5 has one; "
            f"{name!r} is {text}"
        )
    axes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    match axes:
        case [_, (1 | 3), height, width] | [_, height, width, (1 | 3)] if len(axes) == _IMAGE_RANK:
            box = [1 / width, 1 / height] * 2
        case _:
            raise RefusedError("[output] relative_boxes is for a network with one input that is an image")
    return np.array([*box, *[1.0] * ((shape[-1] or 0) - _BOX)], np.float32)


@dataclass
class Relative:
    """Brings the output of the old network to fractions by plain multiplication, for the proof.

    Attributes:
        by: the factors.
        reach: the largest x or y so far.
    """

    by: Array
    reach: float = 0.0

    def __call__(self, output: Array) -> Array:
        """Return the output, multiplied."""
        self.reach = max(self.reach, float(np.abs(output[..., :2]).max()))
        return output * self.by

    @property
    def was_already(self) -> bool:
        """Tell whether the boxes of the old network are fractions already."""
        return self.reach <= _LARGEST_FRACTION


def apply(model: ModelProto, by: Array) -> None:
    """Multiply the last axis of a network's one output."""
    output = model.graph.output[0].name
    change = _Change(Network.of(model), {name: node for node in model.graph.node for name in node.output})
    replaced = change.producers[output]
    change.scaled(output, by, wish=output)
    model.graph.node.remove(replaced)
    model.graph.node.extend(change.nodes)
    tidy.sort(model.graph)
    tidy.remove_unneeded(model)
    _take_over_names(model, change.instead)


def _take_over_names(model: ModelProto, instead: Mapping[str, str]) -> None:
    """Give new tensors the names of those that they replace, so that tables which name layers still fit."""
    left = tensor_names(model)
    # If several replace one, the first gets its name.
    first = {old: new for new, old in reversed(list(instead.items())) if old not in left}
    names = {new: old for old, new in first.items()}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


@dataclass
class _Change:
    """The nodes that replace others.

    Attributes:
        producers: the nodes of the old network, by each tensor that they compute.
        instead: for each new tensor, the one that it replaces.
        made: the multiplied tensors that are there already, by the tensors that they were made from.
    """

    network: Network
    producers: dict[str, NodeProto]
    nodes: list[NodeProto] = field(default_factory=list)
    instead: dict[str, str] = field(default_factory=dict)
    made: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def scaled(self, tensor: str, by: Array, wish: str = "") -> str:
        """Return the name of a tensor multiplied along its last axis; make it with the smallest change."""
        if (by == 1).all():
            return tensor
        made = self.made.get((tensor, by.tobytes()))
        if made is None:
            made = self.made[tensor, by.tobytes()] = self._scaled(tensor, by, wish)
        return made

    def _scaled(self, tensor: str, by: Array, wish: str) -> str:
        node = self.producers.get(tensor)
        inputs = self._inputs(node, by) if node else None
        if node is None or inputs is None:
            node = helper.make_node(
                "Mul", [tensor, self._constant(tensor, by)], [tensor], name=f"{tensor}/Mul"
            )
            if wish:
                # The multiplication gets the output's name.
                before = NodeProto()
                before.CopyFrom(self.producers[tensor])
                inner = self.network.fresh(f"{tensor}/pixels")
                before.output[list(before.output).index(tensor)] = inner
                self.nodes.append(before)
                node.input[0] = inner
            inputs = list(node.input)
        new = NodeProto()
        new.CopyFrom(node)
        new.input[:] = inputs
        new.output[0] = wish or self.network.fresh(f"{tensor}/relative")
        if node is self.producers.get(tensor) and not wish:
            self.instead[new.output[0]] = tensor
        self.nodes.append(new)
        return str(new.output[0])

    def _inputs(self, node: NodeProto, by: Array) -> list[str] | None:
        """Return the inputs with which a node computes the multiplied tensor; None if there are none."""
        inputs = list(node.input)
        shape = self.network.shape(node.output[0])
        match node.op_type:
            case "Concat" if shape:
                axis = next(item.i for item in node.attribute if item.name == "axis") % len(shape)
                if axis < len(shape) - 1:
                    return [self.scaled(name, by) for name in inputs]
                sizes = [(self.network.shape(name) or [None])[-1] for name in inputs]
                if None in sizes:
                    return None
                parts = np.split(by, np.cumsum([size or 0 for size in sizes])[:-1])
                return [self.scaled(name, part) for name, part in zip(inputs, parts, strict=True)]
            case "Reshape" if shape and (self.network.shape(inputs[0]) or [None])[-1] == shape[-1] == len(by):
                return [self.scaled(inputs[0], by), *inputs[1:]]
            case "Mul":
                for number, name in enumerate(inputs):
                    held = self.network.constants.get(name)
                    if held is not None:
                        array = numpy_helper.to_array(held)
                        # One factor for all values keeps the shape of the fixed number.
                        product = array * by[0] if (by == by[0]).all() else array * by
                        inputs[number] = self._constant(name, np.asarray(product))
                        return inputs
        return None

    def _constant(self, tensor: str, value: Array) -> str:
        name = self.network.fresh(f"{tensor}/factors")
        self.network.model.graph.initializer.append(
            numpy_helper.from_array(np.asarray(value, dtype=np.float32), name)
        )
        return name
