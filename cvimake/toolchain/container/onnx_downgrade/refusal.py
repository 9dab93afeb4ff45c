"""The error of a network that cannot be converted."""

from __future__ import annotations

from onnx import NodeProto


class RefusedError(Exception):
    """A network cannot be converted; the text says why, and what can be done."""


def refused(node: NodeProto, reason: str) -> RefusedError:
    """Return the refusal of one node; it names the node and its operator."""
    return RefusedError(f"node {named(node)} ({node.op_type}): {reason}")


def named(node: NodeProto) -> str:
    """Return words by which people can find a node: its name, or the tensor that it computes."""
    return repr(node.name) if node.name else f"of {next(iter(node.output), '?')!r}"
