"""Draw the graph in Mermaid, which GitHub shows as a picture in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.cli.drawing import Kind, Node, Picture, State

# Fill, line and text of each state, for light and dark pages. A stage that may run is dashed.
_CLASSES = {
    State.UP_TO_DATE: "fill:#e6f4ea,stroke:#2e7d4f,color:#14301f",
    State.WILL_RUN: "fill:#ffe3bf,stroke:#b45309,color:#3b1d02,stroke-width:3px",
    State.MAY_RUN: "fill:#fff4dc,stroke:#b45309,color:#3b1d02,stroke-dasharray:6 3",
    State.WAITS: "fill:#fde2e1,stroke:#b3261e,color:#410e0b,stroke-dasharray:2 3",
    State.CANNOT_RUN: "fill:#fde2e1,stroke:#b3261e,color:#410e0b,stroke-width:3px",
    State.LEFT_OUT: "fill:#eceff3,stroke:#6b7280,color:#1f2937,stroke-dasharray:2 3",
}
_FILE = "fill:#eef2f7,stroke:#64748b,color:#1e293b"
_FORMS = {Kind.FILE: ("([", "])"), Kind.STAGE: ("[", "]"), Kind.CVIMODEL: ("[[", "]]")}


def drawn(picture: Picture) -> str:
    """Return the picture as Mermaid text."""
    return "".join(f"{line}\n" for line in _lines(picture))


def _lines(picture: Picture) -> Iterator[str]:
    nodes = [*picture.shared, *(node for group in picture.groups for node in group.nodes)]
    ids = {node.key: f"n{number}" for number, node in enumerate(nodes)}
    yield "flowchart LR"
    yield from (f"  {_node(ids[node.key], node)}" for node in picture.shared)
    for number, group in enumerate(picture.groups):
        yield f'  subgraph g{number}["{_escaped(group.title)}"]'
        yield from (f"    {_node(ids[node.key], node)}" for node in group.nodes)
        yield "  end"
    for group in picture.groups:
        yield from (f"  {ids[start]} --> {ids[end]}" for start, end in picture.edges(group))
    yield f"  classDef file {_FILE}"
    yield from (f"  classDef {_class(state)} {style}" for state, style in _CLASSES.items())


def _node(name: str, node: Node) -> str:
    label = "<br/>".join(map(_escaped, node.lines))
    opening, closing = _FORMS[node.kind]
    return f'{name}{opening}"{label}"{closing}:::{_class(node.state) if node.state else "file"}'


def _class(state: State) -> str:
    return state.name.lower()


def _escaped(text: str) -> str:
    """Escape every character that has a meaning in Mermaid, HTML or Markdown."""
    return "".join(
        character if character.isalnum() or character in " -.,:()/·…✓▶▷‖○" else f"#{ord(character)};"
        for character in text
    )
