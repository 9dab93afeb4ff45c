"""Ends a network in the tensors that are wanted, in the order that is wanted.

The toolchain gives a cvimodel its outputs in the order in which the ONNX graph lists them. It takes names in
another order only to look for them: what `--output_names` says last may come out first.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from . import tidy
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
            # The toolchain takes a tensor of a type that nobody knows for floats too.
            unknown = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
            value = helper.make_value_info(name, network.types.get(name, unknown))
        copy = ValueInfoProto()
        copy.CopyFrom(value)
        described.append(copy)
    return described
