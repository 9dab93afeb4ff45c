"""Puts a network into a plain form, in which it computes the same.

Parts that the toolchain cannot read are removed, and so are parts without meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from google.protobuf.message import Message
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, inliner, numpy_helper

from .network import Network, graphs, own_inputs, parts, replace_nodes, tensor_names
from .refusal import RefusedError, named, refused

_SAYS_NOTHING = ("doc_string", "metadata_props", "device_configurations", "configuration", "training_info",
                 "producer_name", "producer_version", "domain", "model_version")  # fmt: skip
# The first IR in which initialisers need not be among the inputs.
SEPARATE_INITIALISERS = 4


def strip(message: Message) -> None:
    """Remove parts that only describe the network, so that equal networks give equal bytes."""
    for name in _SAYS_NOTHING:
        # A node's domain stays: it says whose operator it is.
        if name in message.DESCRIPTOR.fields_by_name and not (
            name == "domain" and not isinstance(message, ModelProto)
        ):
            message.ClearField(name)
    for part in parts(message):
        strip(part)


def inline_functions(model: ModelProto) -> tuple[ModelProto, int]:
    """Put the bodies of a network's own functions where they are called; return the number of functions."""
    if not model.functions:
        return model, 0
    names = tensor_names(model)
    inlined = inliner.inline_local_functions(model, convert_version=True)
    if lost := sorted(names - tensor_names(inlined)):
        raise AssertionError(f"the inliner has renamed {lost[0]}")
    used = {node.domain for graph in graphs(inlined.graph) for node in graph.node}
    kept = [entry for entry in inlined.opset_import if entry.domain in {"", "ai.onnx", *used}]
    del inlined.opset_import[:]
    inlined.opset_import.extend(kept)
    return inlined, len(model.functions)


def separate_initialisers(model: ModelProto) -> None:
    """Remove initialisers from the inputs."""
    inputs = own_inputs(model)
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)


def list_initialisers(model: ModelProto) -> None:
    """Add initialisers to the inputs, as the first IRs require."""
    for tensor in model.graph.initializer:
        kind = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        model.graph.input.append(helper.make_value_info(tensor.name, kind))


def name_kernels(model: ModelProto) -> int:
    """Give every convolution its `kernel_shape`; return how many had none. The toolchain dies without it."""
    bare = [
        node
        for graph in graphs(model.graph)
        for node in graph.node
        if node.op_type in {"Conv", "ConvTranspose"}
        and not node.domain
        and not any(item.name == "kernel_shape" for item in node.attribute)
    ]
    if not bare:
        return 0
    network = Network.of(model)
    for node in bare:
        shape = network.shape(node.input[1])
        if not shape or None in shape[2:]:
            raise refused(node, "it has no kernel_shape, and the shape of its weights is not known")
        node.attribute.append(helper.make_attribute("kernel_shape", [size or 0 for size in shape[2:]]))
    return len(bare)


def fix_shapes(model: ModelProto, shapes: Sequence[Sequence[int]]) -> int:
    """Give the inputs these shapes; return how many inputs had others.

    Raises:
        RefusedError: they do not fit the shapes in the network.
    """
    inputs = own_inputs(model)
    if len(inputs) != len(shapes):
        names = ", ".join(value.name for value in inputs)
        raise RefusedError(
            f"{len(shapes)} input shapes are declared, and it has {len(inputs)} inputs: {names}"
        )
    fixed = 0
    for value, shape in zip(inputs, shapes, strict=True):
        given = value.type.tensor_type.shape
        if not value.type.tensor_type.HasField("shape"):
            for _ in shape:
                given.dim.add()
        own = [dim.dim_value if dim.dim_value > 0 else None for dim in given.dim]
        if len(own) != len(shape) or any(old not in {None, new} for old, new in zip(own, shape, strict=True)):
            text = " x ".join("?" if size is None else str(size) for size in own)
            raise RefusedError(f"its input {value.name!r} is {text}, and {list(shape)} is declared")
        if None in own:
            fixed += 1
            for dim, size in zip(given.dim, shape, strict=True):
                dim.dim_value = size
    if fixed:
        forget_shapes(model)
    return fixed


def require_fixed(model: ModelProto) -> None:
    """Check that every input has a fixed shape.

    Raises:
        RefusedError: one has not.
    """
    for value in model.graph.input:
        shape = value.type.tensor_type.shape
        own = [dim.dim_param or (dim.dim_value if dim.dim_value > 0 else "?") for dim in shape.dim]
        if any(isinstance(size, str) for size in own) or not value.type.tensor_type.HasField("shape"):
            text = " x ".join(map(str, own))
            raise RefusedError(
                f"its input {value.name!r} is {text}: say its size in model.toml, [input] shapes"
            )


def forget_shapes(model: ModelProto) -> None:
    """Remove the shapes of inner tensors and outputs, which will be inferred again."""
    for graph in graphs(model.graph):
        del graph.value_info[:]
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_param"):
                dim.Clear()


def widen(model: ModelProto) -> bool:
    """Turn half precision into single precision, which the toolchain reads; return whether there was any."""
    found = _widen(model)
    if found:
        forget_shapes(model)
    return found


def _widen(message: Message) -> bool:
    found = False
    if isinstance(message, TensorProto):
        if message.data_type == TensorProto.FLOAT16:
            wide = numpy_helper.from_array(numpy_helper.to_array(message).astype(np.float32), message.name)
            message.CopyFrom(wide)
            return True
        return False
    if isinstance(message, NodeProto) and message.op_type in {
        "Cast",
        "Constant",
        "ConstantOfShape",
        "EyeLike",
    }:
        for attribute in message.attribute:
            if attribute.name in {"to", "dtype"} and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
                found = True
    descriptor = message.DESCRIPTOR.fields_by_name
    if "elem_type" in descriptor and getattr(message, "elem_type", 0) == TensorProto.FLOAT16:
        message.elem_type = TensorProto.FLOAT
        found = True
    for part in parts(message):
        found = _widen(part) or found
    return found


def sort(graph: GraphProto) -> bool:
    """Sort nodes so that each comes after those that it needs; return whether that changed their order.

    Raises:
        RefusedError: some need each other.
    """
    made = {name for node in graph.node for name in node.output if name}
    known: set[str] = set()
    left = list(graph.node)
    order: list[NodeProto] = []
    while left:
        later = []
        for node in left:
            if all(name in known or name not in made for name in needs(node)):
                order.append(node)
                known.update(node.output)
            else:
                later.append(node)
        if len(later) == len(left):
            raise RefusedError(
                f"it goes in a circle: node {named(left[0])} ({left[0].op_type}) needs its own result"
            )
        left = later
    if all(one is other for one, other in zip(order, graph.node, strict=True)):
        return False
    replace_nodes(graph, order)
    return True


def needs(node: NodeProto) -> set[str]:
    """Return the tensors that a node reads, also inside its own graphs."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            names.update(name for inner in graph.node for name in needs(inner))
    return names


def remove_unneeded(model: ModelProto) -> None:
    """Remove the nodes, weights and inputs that no output needs."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    for number in reversed(range(len(graph.node))):
        node = graph.node[number]
        if needed.isdisjoint(node.output):
            del graph.node[number]
        else:
            needed |= needs(node) - {""}
    for values in (graph.initializer, graph.input, graph.value_info):
        for number in reversed(range(len(values))):
            if values[number].name not in needed:
                del values[number]
    for number in reversed(range(len(graph.sparse_initializer))):
        if graph.sparse_initializer[number].values.name not in needed:
            del graph.sparse_initializer[number]
