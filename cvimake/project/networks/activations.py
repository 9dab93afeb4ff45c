"""Finds the tensors before the last sigmoid or softmax of a network's outputs."""

from __future__ import annotations

from cvimake.project.networks.network import Network

# Operators that only rearrange the numbers of a tensor.
_MOVES = frozenset({"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"})
_ACTIVATIONS = frozenset({"Sigmoid", "Softmax", "LogSoftmax", "HardSigmoid"})
_FARTHEST = 10
WHY = (
    "before its {op}, behind which most scores lie close to 0 and INT8 keeps few of them apart; compute the "
    "{op} on the camera's CPU"
)


def before(network: Network, tensor: str) -> tuple[str, str]:
    """Return the tensor before an output's last activation, and the activation; empty if there is none."""
    for _ in range(_FARTHEST):
        node = network.producers.get(tensor)
        if node is None:
            break
        if node.op in _ACTIVATIONS:
            return node.input_at(0), node.op
        if node.op not in _MOVES:
            break
        tensor = node.input_at(0)
    return "", ""


def bare(network: Network, tensor: str) -> str:
    """Return the tensor before an output's last activation, or the output itself if it has none."""
    return before(network, tensor)[0] or tensor


def why(op: str) -> str:
    """Return the reason to end a network before this activation, in one line."""
    return WHY.format(op=op.lower())
