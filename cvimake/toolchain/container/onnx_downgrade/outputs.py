"""Makes a network end in the wanted tensors, in the wanted order.

The toolchain gives a cvimodel its outputs in the order in which the ONNX graph lists them. The order of the
names in `--output_names` does not matter to it: the last one there may come out first.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto, ValueInfoProto, helper

from . import proof, tidy
from .network import Network
from .refusal import RefusedError


def end_in(model: ModelProto, names: Sequence[str]) -> bool:
    """Make tensors the outputs of a network, in this order, and remove the nodes that they do not need.

    Each node must come after the nodes that it needs.

    Returns:
        Whether the outputs were others before, or in another order.

    Raises:
        RefusedError: the network does not compute one of the tensors, or one is named twice.
    """
    graph = model.graph
    if list(names) == [value.name for value in graph.output]:
        return False
    computed = {name for node in graph.node for name in node.output if name}
    for number, name in enumerate(names):
        if name not in computed:
            raise RefusedError(f"it has no tensor {name!r} that it could end in: see [output] names")
        if name in names[:number]:
            raise RefusedError(f"[output] names has {name!r} twice, and the toolchain gives each tensor once")
    outputs = _described(model, names)
    del graph.output[:]
    graph.output.extend(outputs)
    tidy.remove_unneeded(model)
    return True


def _described(model: ModelProto, names: Sequence[str]) -> list[ValueInfoProto]:
    """Return the tensors with their types, as the network or the inference of shapes knows them."""
    own = {value.name: value for value in model.graph.output}
    network: Network | None = None
    described = []
    for name in names:
        value = own.get(name)
        if value is None:
            network = network or Network.of(model)
            value = ValueInfoProto(name=name)
            known = network.types.get(name)
            if known is not None and known.tensor_type.HasField("shape"):
                value.type.CopyFrom(known)
        copy = ValueInfoProto()
        copy.CopyFrom(value)
        described.append(copy)
    return described


def complete(model: ModelProto) -> None:
    """Give types and shapes to outputs that have none, from a run of the network.

    ONNX wants a type and a shape for every output, and the inference of shapes does not find them in every
    network.

    Raises:
        RefusedError: it does not run, or the size of an input is not fixed.
    """
    bare = [value for value in model.graph.output if not value.type.tensor_type.HasField("shape")]
    if not bare:
        return
    arrays = proof.run_once(model, proof.input_shapes(model))
    for value in bare:
        array = arrays[value.name]
        element = helper.np_dtype_to_tensor_dtype(array.dtype)
        value.type.CopyFrom(helper.make_tensor_type_proto(element, array.shape))
