"""Draw the graph in DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.cli.drawing import Kind, Node, Picture, State

# A stage that may run is dashed, one that does not run is dotted.
_STYLES = {
    State.UP_TO_DATE: 'style="filled" fillcolor="#e6f4ea" color="#2e7d4f"',
    State.WILL_RUN: 'style="filled,bold" fillcolor="#ffe3bf" color="#b45309"',
    State.MAY_RUN: 'style="filled,dashed" fillcolor="#fff4dc" color="#b45309"',
    State.WAITS: 'style="filled,dotted" fillcolor="#fde2e1" color="#b3261e"',
    State.CANNOT_RUN: 'style="filled,bold" fillcolor="#fde2e1" color="#b3261e"',
    State.LEFT_OUT: 'style="filled,dotted" fillcolor="#eceff3" color="#6b7280"',
}
_FILE = 'style="filled" fillcolor="#eef2f7" color="#64748b"'
_SHAPES = {Kind.FILE: "note", Kind.STAGE: "box", Kind.CVIMODEL: "component"}


def drawn(picture: Picture) -> str:
    """Return the picture as DOT text."""
    return "".join(f"{line}\n" for line in _lines(picture))


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph cvimake {"
    yield "  rankdir=LR"
    yield '  node [fontname="Helvetica" fontsize=11]'
    yield '  edge [color="#64748b"]'
    yield from (f"  {_node(node)}" for node in picture.shared)
    for number, group in enumerate(picture.groups):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(group.title)}"
        yield from (f"    {_node(node)}" for node in group.nodes)
        yield "  }"
    for group in picture.groups:
        yield from (f"  {_quoted(start)} -> {_quoted(end)}" for start, end in picture.edges(group))
    yield "}"


def _node(node: Node) -> str:
    label = "\n".join(node.lines)
    style = _STYLES[node.state] if node.state else _FILE
    tooltip = f" tooltip={_quoted(chr(10).join(node.reasons))}" if node.reasons else ""
    return f"{_quoted(node.key)} [label={_quoted(label)} shape={_SHAPES[node.kind]} {style}{tooltip}]"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # Graphviz reads HTML entities even inside quotes.
    return f'"{escaped.replace("&", "&amp;")}"'
