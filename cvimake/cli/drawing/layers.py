"""Place the nodes of a graph in columns from left to right, with few crossings and short edges.

This is the method of Sugiyama, Tagawa and Toda (1981), for graphs of the size of one model's.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvimake.cli.drawing import Edge
from cvimake.core import graph

_SWEEPS = 8
# The weight of an edge that is the only one at both of its ends: such an edge should be straight.
_STRAIGHT = 20.0

_Place = tuple[str, ...]  # The key of a node; or the two keys of an edge and a column that it passes.


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places of all nodes and edges.

    Attributes:
        columns: the column of each node, from 0.
        centres: the height of each node's middle, counted downwards from 0.
        bends: the columns that an edge passes, and the height at which it does.
    """

    columns: Mapping[str, int]
    centres: Mapping[str, float]
    bends: Mapping[Edge, Sequence[tuple[int, float]]]
    height: float


def arrange(heights: Mapping[str, float], edges: Sequence[Edge], gap: float) -> Layout:
    """Place the nodes of a graph without cycles.

    Most models of a project have the same graph under other names, so graphs are arranged without the names.

    Args:
        heights: the height of each node; a node comes after those that it needs.
        edges: the edges between the nodes.
        gap: the distance between two nodes of a column.
    """
    names = list(heights)
    numbers = {name: str(number) for number, name in enumerate(names)}
    plain = _arranged(
        tuple(heights.values()), tuple((numbers[start], numbers[end]) for start, end in edges), gap
    )
    return Layout(
        columns={names[int(node)]: column for node, column in plain.columns.items()},
        centres={names[int(node)]: centre for node, centre in plain.centres.items()},
        bends={(names[int(start)], names[int(end)]): places for (start, end), places in plain.bends.items()},
        height=plain.height,
    )


@functools.lru_cache
def _arranged(sizes: tuple[float, ...], edges: tuple[Edge, ...], gap: float) -> Layout:
    """Place nodes whose names are their numbers."""
    if not sizes:
        return Layout(columns={}, centres={}, bends={}, height=0.0)
    heights = {str(number): size for number, size in enumerate(sizes)}
    columns = _columns(list(heights), edges)
    rows: list[list[_Place]] = [[] for _ in range(max(columns.values()) + 1)]
    for node, column in columns.items():
        rows[column].append((node,))
    before: dict[_Place, list[_Place]] = {}
    after: dict[_Place, list[_Place]] = {}
    passed: dict[Edge, list[tuple[int, _Place]]] = {}
    for start, end in edges:
        between = [(column, (start, end, str(column))) for column in range(columns[start] + 1, columns[end])]
        passed[start, end] = list(between)
        for column, place in between:
            rows[column].append(place)
        way: list[_Place] = [(start,), *(place for _, place in between), (end,)]
        for left, right in itertools.pairwise(way):
            after.setdefault(left, []).append(right)
            before.setdefault(right, []).append(left)
    _order(rows, before, after)
    room = {place: heights[place[0]] if len(place) == 1 else 0.0 for row in rows for place in row}
    centres = _heights(rows, room, before, after, gap)
    top = min(centres[place] - room[place] / 2 for place in room)
    bottom = max(centres[place] + room[place] / 2 for place in room)
    return Layout(
        columns=columns,
        centres={node: centres[node,] - top for node in heights},
        bends={
            edge: [(column, centres[place] - top) for column, place in places]
            for edge, places in passed.items()
        },
        height=bottom - top,
    )


def _columns(nodes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return each node's column, as far right as the nodes that need it allow: results are aligned."""
    following: dict[str, list[str]] = {node: [] for node in nodes}
    for start, end in edges:
        following[start].append(end)
    from_end = graph.longest(reversed(nodes), following.__getitem__, lambda _node: 1)
    last = max((count for _, count in from_end.values()), default=0)
    return {node: last - from_end[node][1] for node in nodes}


def _order(
    rows: list[list[_Place]],
    before: Mapping[_Place, list[_Place]],
    after: Mapping[_Place, list[_Place]],
) -> None:
    """Order each column by the middles of its nodes' neighbours, from both sides in turn."""
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        neighbours = before if forth else after
        for row in rows if forth else reversed(rows):
            rank = {place: float(number) for line in rows for number, place in enumerate(line)}
            wanted = {
                place: sum(rank[other] for other in others) / len(others)
                for place in row
                if (others := neighbours.get(place))
            }
            # A node without neighbours on that side keeps its place.
            ranked = sorted((wanted.get(place, rank[place]), rank[place], place) for place in row)
            row[:] = [place for _, _, place in ranked]


def _heights(
    rows: list[list[_Place]],
    room: Mapping[_Place, float],
    before: Mapping[_Place, list[_Place]],
    after: Mapping[_Place, list[_Place]],
    gap: float,
) -> dict[_Place, float]:
    """Return the height of every middle: as near to the neighbours' as the other nodes of its column allow.

    If two nodes are each other's only neighbour on that side, the edge between them should be straight.
    """

    def wish(place: _Place) -> float:
        pairs = [(other, place) for other in before.get(place, ())]
        pairs += [(place, other) for other in after.get(place, ())]
        if not pairs:
            return centres[place]
        weights = [_STRAIGHT if len(after[left]) == len(before[right]) == 1 else 1.0 for left, right in pairs]
        middles = [centres[left if right == place else right] for left, right in pairs]
        return math.fsum(map(operator.mul, middles, weights)) / math.fsum(weights)

    centres: dict[_Place, float] = {}
    for row in rows:
        offset = 0.0
        for place in row:
            centres[place] = offset + room[place] / 2
            offset += room[place] + gap
    for sweep in range(_SWEEPS * 16):
        for row in rows if sweep % 2 else reversed(rows):
            offsets = [0.0]
            for upper, lower in itertools.pairwise(row):
                offsets.append(offsets[-1] + (room[upper] + room[lower]) / 2 + gap)
            fitted = _rising([wish(place) - offset for place, offset in zip(row, offsets, strict=True)])
            centres.update(
                {place: fit + offset for place, fit, offset in zip(row, fitted, offsets, strict=True)}
            )
    return centres


def _rising(values: Sequence[float]) -> list[float]:
    """Return the non-decreasing numbers that are nearest to the given ones, by least squares."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
