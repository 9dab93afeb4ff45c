"""Ends a network in the tensors that are wanted, in the order that is wanted.

The toolchain gives a cvimodel its outputs in the order in which the ONNX graph lists them. It takes names in
another order only to look for them: what `--output_names` says last may come out first.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto, ValueInfoProto, helper

from . import proof, tidy
from .network import Network
from .refusal import RefusedError


def end_in(model: ModelProto, names: Sequence[str]) -> bool:
    """Makes tensors the outputs of a network, in this order, and removes what they do not need.

    Nodes must stand behind what they need.

    Returns:
        Whether its outputs were others, or in another order.

    Raises:
        RefusedError: the network does not compute one of them, or one is named twice.
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
    """The tensors with their types, as the network or the inference of shapes knows them."""
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
    """Gives types and shapes to outputs that have none, from what the network puts out when it runs.

    The inference of shapes does not follow every network; ONNX wants them of every output.

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
