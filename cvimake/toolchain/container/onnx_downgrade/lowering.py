"""Lowers a network by one opset at a time: an operator whose form changed gets its older form, or is refused.

Source: the changelog of the operators, https://onnx.ai/onnx/operators, and the schemas that `onnx` holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from onnx import GraphProto, ModelProto, NodeProto, defs, helper, inliner

from . import rewrites_activation as activation
from . import rewrites_shape as shape
from . import rewrites_value as value
from . import tidy
from .network import (
    USUAL,
    Network,
    Site,
    copied,
    graphs,
    opset_of,
    replace_nodes,
    set_opset,
    tensor_names,
)
from .refusal import refused

Rewrite = Callable[[Site], None]
_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
               "ReduceMin", "ReduceProd", "ReduceSumSquare")  # fmt: skip
# The functions that make the older form of an operator, by the opset that brought the newer one.
REWRITES: dict[tuple[int, str], Rewrite] = {
    (23, "RMSNormalization"): activation.rms_normalization_23,
    (21, "DequantizeLinear"): value.quantize_output_21,
    (21, "GroupNormalization"): activation.group_normalization,
    (21, "QuantizeLinear"): value.quantize_output_21,
    (20, "DFT"): value.dft_20,
    (20, "Gelu"): activation.gelu_20,
    (20, "GridSample"): value.grid_sample_20,
    (20, "ReduceMax"): shape.reduce_bool_20,
    (20, "ReduceMin"): shape.reduce_bool_20,
    (19, "Cast"): value.saturate_19,
    (19, "CastLike"): value.saturate_19,
    (19, "Pad"): shape.pad_19,
    (19, "QuantizeLinear"): value.saturate_19,
    (19, "Resize"): value.resize_19,
    (18, "GroupNormalization"): activation.group_normalization,
    (18, "Mish"): activation.mish_18,
    (18, "Pad"): shape.pad_18,
    (18, "Resize"): value.resize_18,
    (18, "ScatterElements"): value.scatter_18,
    (18, "ScatterND"): value.scatter_18,
    (18, "Split"): shape.split_18,
    **{(18, name): shape.reduce_axes for name in _REDUCTIONS},
    (17, "LayerNormalization"): activation.layer_normalization_17,
    (16, "RoiAlign"): value.roi_align_16,
    (15, "CastLike"): value.cast_like,
    (15, "Shape"): shape.shape_15,
    (14, "BatchNormalization"): value.batch_normalization_14,
    (14, "HardSwish"): activation.hard_swish_14,
    (14, "Reshape"): shape.reshape_14,
    (14, "Trilu"): shape.trilu_14,
    (13, "DequantizeLinear"): value.quantize_axis_13,
    (13, "Hardmax"): activation.softmax_13,
    (13, "LogSoftmax"): activation.softmax_13,
    (13, "QuantizeLinear"): value.quantize_axis_13,
    (13, "ReduceSum"): shape.reduce_axes,
    (13, "Resize"): value.resize_13,
    (13, "Softmax"): activation.softmax_13,
    (13, "Split"): shape.split_13,
    (13, "Squeeze"): shape.squeeze_13,
    (13, "Unsqueeze"): shape.squeeze_13,
    (12, "Constant"): value.constant_12,
    (12, "Dropout"): value.dropout_12,
    (12, "GreaterOrEqual"): value.or_equal_12,
    (12, "LessOrEqual"): value.or_equal_12,
}  # fmt: skip


def lower(model: ModelProto, target: int) -> tuple[ModelProto, dict[str, int]]:
    """Return the same network in an older opset, and how many nodes of each operator were rewritten.

    Raises:
        RefusedError: the older opset has no form for something in the network.
    """
    counts: Counter[str] = Counter()
    result = copied(model)
    while (opset := opset_of(result)) > target:
        result = _inlined(result, opset, counts)
        network = Network.of(result)
        # The types of tensors that a rewrite adds are inferred in the next step.
        # Inner graphs come first, since the node that holds them is copied.
        for graph in reversed(list(graphs(result.graph))):
            _lower_graph(network, graph, opset, counts)
        set_opset(result, opset - 1)
    return result, dict(sorted(counts.items()))


def _lower_graph(network: Network, graph: GraphProto, opset: int, counts: Counter[str]) -> None:
    nodes: list[NodeProto] = []
    for node in graph.node:
        schema = _schema(node, opset)
        if schema is None or schema.since_version != opset:
            nodes.append(node)
            continue
        site = Site(network, graph, node)
        rewrite = REWRITES.get((opset, node.op_type), keep)
        before = node.SerializeToString(deterministic=True)
        rewrite(site)
        for new in site.nodes:
            _check_form(new, network, opset - 1)
        if len(site.nodes) != 1 or site.nodes[0].SerializeToString(deterministic=True) != before:
            counts[node.op_type] += 1
        nodes += site.nodes
    replace_nodes(graph, nodes)


def keep(site: Site) -> None:
    """Keep a node, without the attributes that have their default: most new forms only take more types."""
    older = _schema(site.node, _version(site) - 1)
    if older is None:
        raise refused(
            site.node, f"there is no such operator before opset {_version(site)}, and no older form of it"
        )
    newer = _schema(site.node, _version(site))
    drop = []
    for attribute in site.node.attribute:
        if attribute.name in older.attributes:
            continue
        default = newer.attributes[attribute.name].default_value if newer else None
        given = helper.get_attribute_value(attribute)
        usual = helper.get_attribute_value(default) if default is not None and default.type else None
        if given not in (usual, 0, b"none", b"") and not (isinstance(given, list) and set(given) <= {1}):
            raise refused(
                site.node, f"{attribute.name} = {_shown(given)} has no form before opset {_version(site)}"
            )
        drop.append(attribute.name)
    site.changed(drop=drop)


def _version(site: Site) -> int:
    return opset_of(site.network.model)


def _shown(value: object) -> str:
    return repr(value.decode()) if isinstance(value, bytes) else str(value)


def _schema(node: NodeProto, opset: int) -> defs.OpSchema | None:
    """Return the schema of an operator in an opset; None if it was not one of ONNX's operators then."""
    if node.domain not in USUAL:
        return None
    try:
        return defs.get_schema(node.op_type, opset, "")
    except defs.SchemaError:
        return None


def _check_form(node: NodeProto, network: Network, opset: int) -> None:
    """Check that a node belongs to an opset: its attributes, and the number and the types of its tensors."""
    schema = _schema(node, opset)
    if schema is None:
        if node.domain in USUAL:
            raise refused(node, f"there is no such operator in opset {opset}, and no older form of it")
        return
    unknown = [item.name for item in node.attribute if item.name not in schema.attributes]
    if unknown:
        raise refused(node, f"opset {opset} has no {unknown[0]}")
    if len(node.input) > schema.max_input or len([name for name in node.output if name]) > schema.max_output:
        raise refused(node, f"opset {opset} has fewer inputs or outputs for it")
    for number, name in enumerate(node.input):
        formal = schema.inputs[min(number, len(schema.inputs) - 1)]
        element = network.element(name)
        if element and formal.types and (kind := _kind(element)) not in formal.types:
            raise refused(node, f"opset {opset} does not take {kind} for its input {name!r}")


def _kind(element: int) -> str:
    """Return a type as the schemas write it, like `tensor(float)`."""
    name = helper.tensor_dtype_to_string(element).rpartition(".")[2].lower()
    return f"tensor({name})"


def _is_defined_by_others(schema: defs.OpSchema) -> bool:
    # The type information of some versions of onnx leaves these out.
    return any(getattr(schema, name) for name in ("has_function", "has_context_dependent_function"))


def _inlined(model: ModelProto, opset: int, counts: Counter[str]) -> ModelProto:
    """Replace new operators that ONNX defines by other operators, by those others."""
    new: Counter[str] = Counter()
    for graph in graphs(model.graph):
        for node in graph.node:
            schema = _schema(node, opset)
            if schema is None or schema.since_version != opset or (opset, node.op_type) in REWRITES:
                continue
            if _schema(node, opset - 1) is None and _is_defined_by_others(schema):
                new[node.op_type] += 1
    if not new:
        return model
    names = tensor_names(model)
    # The inliner only looks among the inputs for the types of initialisers.
    typed = copied(model)
    tidy.list_initialisers(typed)
    inlined = inliner.inline_selected_functions(
        typed, [("", name) for name in sorted(new)], exclude=False, inline_schema_functions=True
    )
    tidy.separate_initialisers(inlined)
    if names - tensor_names(inlined) or opset_of(inlined) != opset:
        raise AssertionError("the inliner has renamed tensors")
    counts.update(new)
    return inlined
