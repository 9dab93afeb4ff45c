"""A network as the rewrites see it: its nodes, with the types and shapes of their tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TypeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from .refusal import refused

Array = NDArray[Any]
USUAL = ("", "ai.onnx")


def opset_of(model: ModelProto) -> int:
    """Return the opset of ONNX's own operators; 0 if none is imported."""
    return next((int(entry.version) for entry in model.opset_import if entry.domain in USUAL), 0)


def set_opset(model: ModelProto, version: int) -> None:
    """Set the opset's number, and change nothing else."""
    for entry in model.opset_import:
        if entry.domain in USUAL:
            entry.version = version


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    yield from graphs(inner)


def tensor_names(model: ModelProto) -> set[str]:
    """Return the names of all tensors of a network: computed ones, inputs and initialisers."""
    names: set[str] = set()
    for graph in graphs(model.graph):
        names.update(item.name for item in (*graph.input, *graph.initializer, *graph.output))
        names.update(name for node in graph.node for name in node.output if name)
    return names


def own_inputs(model: ModelProto) -> list[ValueInfoProto]:
    """Return the inputs that are not weights."""
    kept = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in kept]


def copied(model: ModelProto) -> ModelProto:
    """Return a copy of a network."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def replace_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    """Give a graph other nodes; they may be its own."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def parts(message: Message) -> Iterator[Message]:
    """Yield the messages directly inside a message."""
    for described, value in message.ListFields():
        if described.message_type is not None:
            yield from value if described.is_repeated else (value,)


@dataclass
class Network:
    """The types and shapes of a network's tensors, by name. A name is unique in all graphs together."""

    model: ModelProto
    types: dict[str, TypeProto] = field(default_factory=dict)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, model: ModelProto) -> Network:
        """Infer types and shapes. If the inference fails, fewer of them are known."""
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except onnx.shape_inference.InferenceError:
            inferred = model
        network = cls(model, names=tensor_names(model))
        for graph in graphs(inferred.graph):
            for value in (*graph.value_info, *graph.input, *graph.output):
                network.types[value.name] = value.type
            for tensor in graph.initializer:
                network.constants[tensor.name] = tensor
                network.types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            for node in graph.node:
                if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                    network.constants[node.output[0]] = node.attribute[0].t
        return network

    def element(self, name: str) -> int:
        """Return a tensor's element type, as in TensorProto; 0 if it is not known."""
        found = self.types.get(name)
        return int(found.tensor_type.elem_type) if found else 0

    def shape(self, name: str) -> list[int | None] | None:
        """Return a tensor's shape, with None for sizes that are not fixed; None if the rank is not known."""
        found = self.types.get(name)
        if found is None or not found.tensor_type.HasField("shape"):
            return None
        dims = found.tensor_type.shape.dim
        return [int(dim.dim_value) if dim.HasField("dim_value") else None for dim in dims]

    def fresh(self, wish: str) -> str:
        """Return a name that no tensor has."""
        name, number = wish, 0
        while name in self.names:
            number += 1
            name = f"{wish}_{number}"
        self.names.add(name)
        return name


@dataclass
class Site:
    """One node that is to be replaced, and the nodes that come in its place."""

    network: Network
    graph: GraphProto
    node: NodeProto
    nodes: list[NodeProto] = field(default_factory=list)

    @property
    def output(self) -> str:
        """Return the node's first output."""
        return str(self.node.output[0])

    def input(self, number: int) -> str:
        """Return the name of an input; empty if it is left out."""
        return str(self.node.input[number]) if number < len(self.node.input) else ""

    def attribute(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - any kind of attribute
        """Return an attribute's value; a text as str."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def value(self, number: int) -> Array | None:
        """Return the values of an input that is fixed; None for one that the network computes."""
        tensor = self.network.constants.get(self.input(number))
        return None if tensor is None else numpy_helper.to_array(tensor)

    def fixed(self, number: int, what: str) -> list[int]:
        """Return the whole numbers of an input that is fixed.

        Raises:
            RefusedError: the network computes them.
        """
        value = self.value(number)
        if value is None:
            raise refused(self.node, f"its {what} are computed, and the older form takes fixed ones only")
        return [int(item) for item in value.reshape(-1)]

    def shape(self, number: int) -> list[int | None]:
        """Return an input's shape."""
        shape = self.network.shape(self.input(number))
        if shape is None:
            raise refused(self.node, f"nobody knows how many dimensions its input {self.input(number)!r} has")
        return shape

    def element(self, number: int = 0) -> int:
        """Return an input's element type.

        Raises:
            RefusedError: it is not known.
        """
        element = self.network.element(self.input(number))
        if not element:
            raise refused(self.node, f"nobody knows the type of its input {self.input(number)!r}")
        return element

    def axes(self, axes: Sequence[int], rank: int) -> list[int]:
        """Return axes as numbers that count from the front."""
        if any(not -rank <= axis < rank for axis in axes):
            raise refused(self.node, f"its axes {list(axes)} do not fit {rank} dimensions")
        return [axis % rank for axis in axes]

    def constant(self, value: Array, wish: str = "constant") -> str:
        """Add a fixed tensor; return its name."""
        name = self.network.fresh(f"{self.output}/{wish}")
        tensor = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        self.graph.initializer.append(tensor)
        self.network.constants[name] = tensor
        return name

    def scalar(self, value: float) -> str:
        """Add one number of the type of the first input; return its name."""
        kind = helper.tensor_dtype_to_np_dtype(self.element())
        return self.constant(np.array(value, dtype=kind), "value")

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401 - any kind
        """Add a node with one output; return that output's name."""
        output = output or self.network.fresh(f"{self.output}/{operator}")
        name = (
            self.node.name
            if not self.nodes
            else f"{self.node.name or self.output}/{operator}_{len(self.nodes)}"
        )
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=name, **attributes))
        return output

    def changed(
        self,
        *,
        inputs: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        **attributes: Any,  # noqa: ANN401 - any kind of attribute
    ) -> None:
        """Return a copy of the node with other inputs and attributes."""
        node = NodeProto()
        node.CopyFrom(self.node)
        if inputs is not None:
            kept = list(inputs)
            while kept and not kept[-1]:
                kept.pop()
            del node.input[:]
            node.input.extend(kept)
        gone = {*drop, *attributes}
        remaining: list[AttributeProto] = [item for item in node.attribute if item.name not in gone]
        del node.attribute[:]
        node.attribute.extend(remaining)
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in attributes.items() if value is not None
        )
        self.nodes.append(node)
