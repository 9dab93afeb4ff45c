"""Draw the graph as SVG: one file without references to others, for light and dark pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from cvimake.cli.drawing import Edge, Group, Kind, Node, Picture, State
from cvimake.cli.drawing.layers import Layout, arrange

# All lengths are in the units of the picture; a unit is a pixel if the picture is not scaled.
_MARGIN, _BETWEEN_COLUMNS, _BETWEEN_NODES, _BETWEEN_GROUPS = 20.0, 28.0, 14.0, 30.0
_PADDING, _LINE, _TITLE, _DETAIL = 10.0, 17.0, 13.0, 11.5
_HEADING, _LEGEND = 42.0, 40.0
# The width of a character: more than in the widest usual font, so that no text leaves its box.
_TITLE_EM, _DETAIL_EM = 0.62, 0.52
_SIGN, _APART = 16.0, 22.0
_LEVEL = 7.0
_LONGEST_TITLE, _LONGEST_DESCRIPTION = 34, 90

_STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
# Drawn in a square of 10 by 10.
_SIGNS = {
    State.UP_TO_DATE: "M1 5.5 4 8.5 9.5 2",
    State.WILL_RUN: "M2.5 1.5 8.5 5 2.5 8.5Z",
    State.MAY_RUN: "M2.5 1.5 8.5 5 2.5 8.5Z",
    State.WAITS: "M3 2V8M7 2V8",
    State.CANNOT_RUN: "M2 2 8 8M8 2 2 8",
    State.LEFT_OUT: "M2 8 8 2M5 1A4 4 0 1 1 4.99 1Z",
}


def drawn(picture: Picture) -> str:
    """Return the picture as SVG text."""
    layouts = [
        arrange({node.key: _height(node) for node in group.nodes}, group.edges, _BETWEEN_NODES)
        for group in picture.groups
    ]
    left, width = _columns(picture.groups, layouts)
    nodes = [*picture.shared, *(node for group in picture.groups for node in group.nodes)]
    states = [state for state in State if any(node.state is state for node in nodes)]
    legend = sum(_legend_width(state.value) for state in states) + 2 * _MARGIN
    headings = [_heading_width(group) for group in picture.groups]
    shared = sum(_legend_width(_shared_words(node)) for node in picture.shared)
    width = max([width, legend, *(head + shared + 2 * _MARGIN for head in headings)])
    body: list[str] = []
    top = _MARGIN
    for number, (group, layout) in enumerate(zip(picture.groups, layouts, strict=True)):
        if number == 0:
            body += _row(picture.shared, width - _MARGIN - shared + _APART, top + 14)
        body += _heading(group, top)
        body += _group(group, layout, left, top + _HEADING)
        top += _HEADING + layout.height + _BETWEEN_GROUPS
    body += _legend(states, top)
    height = top + _LEGEND
    wide, high = _number(width), _number(height)
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    inside = f'width="{_number(width - 1)}" height="{_number(height - 1)}"'
    names = _text(", ".join(group.title for group in picture.groups))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>What a build of {names} would run</title>",
            f"<style>\n{_STYLE}</style>",
            f'<rect class="page" x=".5" y=".5" {inside} rx="10"/>',
            *body,
            "</svg>\n",
        ]
    )


def _columns(groups: Sequence[Group], layouts: Sequence[Layout]) -> tuple[list[tuple[float, float]], float]:
    """Return the left end and the width of each column, equal for all groups, and the width of all."""
    widths: dict[int, float] = {}
    for group, layout in zip(groups, layouts, strict=True):
        for node in group.nodes:
            column = layout.columns[node.key]
            widths[column] = max(widths.get(column, 0.0), _width(node))
    places, right = [], _MARGIN
    for column in range(max(widths, default=-1) + 1):
        width = widths.get(column, 0.0)
        places.append((right, width))
        right += width + _BETWEEN_COLUMNS
    return places, right - _BETWEEN_COLUMNS + _MARGIN


def _group(group: Group, layout: Layout, columns: Sequence[tuple[float, float]], top: float) -> Iterator[str]:
    ends = [end for _, end in group.edges]
    for edge in group.edges:
        yield from _edge(edge, layout, columns, top, alone=ends.count(edge[1]) == 1)
    for node in group.nodes:
        left, width = columns[layout.columns[node.key]]
        yield from _box(node, left, top + layout.centres[node.key] - _height(node) / 2, width)


def _edge(
    edge: Edge, layout: Layout, columns: Sequence[tuple[float, float]], top: float, *, alone: bool
) -> Iterator[str]:
    """Return the path from box to box; it is level where it crosses the columns between them."""
    start, end = edge
    left, width = columns[layout.columns[start]]
    x, y = left + width, top + layout.centres[start]
    path = f"M{_number(x)} {_number(y)}"
    ends = [(*columns[column], top + height) for column, height in layout.bends[edge]]
    ends.append((columns[layout.columns[end]][0] - 5, 0.0, top + layout.centres[end]))
    for to_x, level, nearest_y in ends:
        # Several edges can end at one box; they may meet it above or below its middle.
        to_y = y if alone and abs(nearest_y - y) < _LEVEL else nearest_y
        half = _number((x + to_x) / 2)
        path += f"C{half} {_number(y)} {half} {_number(to_y)} {_number(to_x)} {_number(to_y)}"
        if level:
            path += f"H{_number(to_x + level)}"
        x, y = to_x + level, to_y
    yield f'<path class="edge" d="{path}"/>'
    yield f'<path class="tip" d="M{_number(x + 4)} {_number(y)}l-8 -4v8Z"/>'


def _box(node: Node, left: float, top: float, width: float) -> Iterator[str]:
    height, state = _height(node), node.state.name.lower() if node.state else "read"
    told = [f"{node.title}: {node.status}" if node.state else node.title, *node.reasons]
    yield f'<g class="{state}"><title>{_text(chr(10).join(told))}</title>'
    radius = {Kind.FILE: height / 2, Kind.STAGE: 6, Kind.CVIMODEL: 6}[node.kind]
    box = f'x="{_number(left)}" y="{_number(top)}" width="{_number(width)}" height="{_number(height)}"'
    yield f'<rect class="box" {box} rx="{_number(radius)}"/>'
    inner = left + (_PADDING if node.kind is not Kind.FILE else _PADDING + 4)
    line = top + 20
    place = f'x="{_number(inner)}" y="{_number(line)}"'
    yield f'<text class="title" {place}>{_text(_shortened(node.title))}</text>'
    for detail in node.details:
        line += _LINE
        yield f'<text x="{_number(inner)}" y="{_number(line)}">{_text(detail)}</text>'
    if node.state:
        line += _LINE
        yield _sign(node.state, inner, line - 9)
        yield f'<text x="{_number(inner + _SIGN)}" y="{_number(line)}">{_text(node.status)}</text>'
    yield "</g>"


def _heading(group: Group, top: float) -> Iterator[str]:
    line = _number(top + 14)
    yield f'<text x="{_number(_MARGIN)}" y="{line}"><tspan class="group">{_text(group.title)}</tspan>'
    yield f'<tspan dx="10">{_text(_description(group))}</tspan></text>'


def _legend(states: Sequence[State], top: float) -> Iterator[str]:
    left = _MARGIN
    for state in states:
        yield f'<g class="{state.name.lower()}">{_sign(state, left, top + 3)}'
        yield f'<text x="{_number(left + _SIGN)}" y="{_number(top + 12)}">{state.value}</text></g>'
        left += _legend_width(state.value)


def _row(nodes: Sequence[Node], left: float, line: float) -> Iterator[str]:
    for node in nodes:
        words = _shared_words(node)
        if node.state:
            yield f'<g class="{node.state.name.lower()}">{_sign(node.state, left, line - 9)}'
            yield f'<text x="{_number(left + _SIGN)}" y="{_number(line)}">{_text(words)}</text></g>'
        left += _legend_width(words)


def _shared_words(node: Node) -> str:
    return f"{node.title}: {node.status}"


def _sign(state: State, left: float, top: float) -> str:
    place = f'transform="translate({_number(left)} {_number(top)})"'
    return f'<path class="sign" {place} d="{_SIGNS[state]}"/>'


def _height(node: Node) -> float:
    return 32.0 + _LINE * (len(node.details) + (node.state is not None))


def _width(node: Node) -> float:
    title = _length(_shortened(node.title)) * _TITLE * _TITLE_EM
    details = [_length(detail) * _DETAIL * _DETAIL_EM for detail in node.details]
    status = _length(node.status) * _DETAIL * _DETAIL_EM + _SIGN if node.state else 0.0
    return max([title, status, *details]) + 2 * _PADDING + (8 if node.kind is Kind.FILE else 0)


def _heading_width(group: Group) -> float:
    return _length(group.title) * 16 * _TITLE_EM + 10 + _length(_description(group)) * _DETAIL * _DETAIL_EM


def _legend_width(words: str) -> float:
    return _SIGN + _length(words) * _DETAIL * _DETAIL_EM + _APART


def _description(group: Group) -> str:
    text = " ".join(group.description.split())
    return text if len(text) <= _LONGEST_DESCRIPTION else f"{text[: _LONGEST_DESCRIPTION - 1]}…"


def _shortened(title: str) -> str:
    """Shorten a name in its middle: its end tells it from other names."""
    if len(title) <= _LONGEST_TITLE:
        return title
    half = _LONGEST_TITLE // 2
    return f"{title[: half - 1]}…{title[-half:]}"


def _length(text: str) -> int:
    """Return the width of a text in characters; an East Asian character counts as two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _text(text: str) -> str:
    """Escape a text for XML; characters that XML cannot hold are left out."""
    return escape("".join(sign for sign in text if sign == "\n" or unicodedata.category(sign)[0] != "C"))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
