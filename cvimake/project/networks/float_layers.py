"""Names the layers of a detector that stay float in a mixed variant, by the rules of docs/init.md.

The toolchain names a layer after its output and its operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cvimake.project.networks.heads import STRIDES, Heads, last_convolutions
from cvimake.project.networks.network import Network, Node

# The toolchain makes constants of the sizes of tensors, and leaves out layers that only pass a tensor on.
_NO_LAYERS = frozenset({"Constant", "Identity", "Shape", "Size"})


def behind_sigmoids(network: Network, output: str) -> tuple[str, ...]:
    """Return the layers from the first sigmoid behind the heads to the output.

    There are none if the network does not end in joining rows: the conversion then adds a last layer.
    """
    last = network.producers.get(output)
    if last is None or last.op not in {"Concat", "Reshape"}:
        return ()
    heads = last_convolutions(network, [output])
    before = {node.outputs for node in network.behind(heads)}
    decoded: set[str] = set()
    nodes: list[Node] = []
    for node in network.behind([output]):
        if node.outputs in before or not (node.op == "Sigmoid" or decoded.intersection(node.inputs)):
            continue
        decoded.update(node.outputs)
        nodes.append(node)
    return _names(nodes)


def of_anchor_free(network: Network, heads: Heads, outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the layers of YOLOv8 and its successors; empty if a search for them ends well.

    A search does not end well on attention. There the scores stay float, which lose most in INT8; and
    boxes and scores that stand in one tensor cannot share one scale.

    Args:
        network: the network.
        heads: its heads.
        outputs: the tensors that a cvimodel should end in.
    """
    scores = of_scores(network, heads) if network.attends(outputs) else ()
    decoded = () if outputs[0] in heads.interleaved else of_decoding(network, heads, outputs[0])
    return (*scores, *decoded)


def of_decoding(network: Network, heads: Heads, output: str) -> tuple[str, ...]:
    """Return the layers from the heads to the output."""
    tensors = [name for names in heads.tensors.values() for name in names]
    before = {node.outputs for node in network.behind(tensors)}
    after = [node for node in network.behind([output]) if node.outputs not in before]
    return _names(_computing(after, tensors))


def of_scores(network: Network, heads: Heads) -> tuple[str, ...]:
    """Return the layers that only the scores need: those after the last tensor that the boxes need too."""
    scores = [heads.tensors[stride][1] for stride in STRIDES]
    others = [name for names in heads.tensors.values() for name in names if name not in scores]
    shared = {node.outputs for node in network.behind(others)}
    alone = [node for node in network.behind(scores) if node.outputs not in shared]
    computed = _computing(alone, (name for outputs in shared for name in outputs))
    return _names(node for node in computed if not _is_half_of_silu(network, node))


def _computing(nodes: Iterable[Node], tensors: Iterable[str]) -> list[Node]:
    """Return the nodes that compute something from the tensors' values, in the same order."""
    computed = set(tensors)
    found = []
    for node in nodes:
        if node.op not in _NO_LAYERS - {"Identity"} and not computed.isdisjoint(node.inputs):
            computed.update(node.outputs)
            found.append(node)
    return [node for node in found if node.op not in _NO_LAYERS]


def _is_half_of_silu(network: Network, node: Node) -> bool:
    """Tell whether a node is the sigmoid in x · sigmoid(x), which is one layer for the toolchain."""
    if node.op != "Sigmoid":
        return False
    readers = network.consumers.get(node.outputs[0], ())
    return len(readers) == 1 and readers[0].op == "Mul" and node.input_at(0) in readers[0].inputs


def _names(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the layers by the toolchain's names; none if a table cannot hold one of these."""
    layers = tuple(f"{name}_{node.op}" for node in nodes for name in node.outputs if name)
    # A table has one layer a line, and a name ends at a space.
    return () if any(len(layer.split()) != 1 for layer in layers) else layers
