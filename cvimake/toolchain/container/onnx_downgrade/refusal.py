"""What cannot be converted, and why."""

from __future__ import annotations

from onnx import NodeProto


class RefusedError(Exception):
    """A network that is not converted; the text says what in it and what can be done."""


def refused(node: NodeProto, reason: str) -> RefusedError:
    """The refusal of one node; names it and its operator."""
    return RefusedError(f"node {named(node)} ({node.op_type}): {reason}")


def named(node: NodeProto) -> str:
    """A node as people can find it: its name, or what it computes where it has none."""
    return repr(node.name) if node.name else f"of {next(iter(node.output), '?')!r}"
