"""Walks of a graph: what a node leads to, an order, and the longest path.

A graph is a function that gives the next nodes of each node. None of these recurses: a graph may be deep.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from cvimake.core.errors import CvimakeError

Node = TypeVar("Node", bound=Hashable)
Following = Callable[[Node], Iterable[Node]]


def reached(starts: Iterable[Node], following: Following[Node]) -> dict[Node, tuple[Node, ...]]:
    """Return every node that some nodes lead to, themselves included, each with the nodes that follow it.

    The order is that of a walk that follows each node to its end before it goes on to the next. There may be
    cycles.
    """
    found: dict[Node, tuple[Node, ...]] = {}
    left = list(starts)[::-1]
    while left:
        node = left.pop()
        if node not in found:
            found[node] = tuple(following(node))
            left += reversed(found[node])
    return found


def in_order(starts: Iterable[Node], needs: Following[Node]) -> Iterator[Node]:
    """Yield some nodes and all that they need, each after what it needs.

    A node comes as soon as it can, so that a chain is not torn apart by other chains.

    Raises:
        CvimakeError: some of them need each other.
    """
    sorter = TopologicalSorter(reached(starts, needs))
    try:
        sorter.prepare()
    except CycleError as error:
        raise CvimakeError(f"these need each other: {', '.join(map(str, error.args[1]))}") from error
    ready: list[Node] = []
    while sorter:
        ready += reversed(sorter.get_ready())
        node = ready.pop()
        yield node
        sorter.done(node)


def longest(
    order: Iterable[Node], before: Following[Node], length: Callable[[Node], float]
) -> dict[Node, tuple[float, int]]:
    """Return for each node the length of the longest path that ends there, and its number of nodes.

    Args:
        order: the nodes, each after those before it.
        before: gives the nodes that a path can come from; those outside of `order` do not count.
        length: what a node adds to a path.
    """
    ends: dict[Node, tuple[float, int]] = {}
    for node in order:
        so_far, count = max((ends[other] for other in before(node) if other in ends), default=(0.0, 0))
        ends[node] = (so_far + length(node), count + 1)
    return ends


def longest_path(
    order: Iterable[Node], before: Following[Node], length: Callable[[Node], float]
) -> tuple[tuple[Node, ...], float]:
    """Return the nodes of the longest path and its length; of equally long ones, one with most nodes.

    The arguments are those of `longest`.
    """
    ends = longest(order, before, length)
    path: list[Node] = []
    candidates = list(ends)
    while candidates:
        path.append(max(candidates, key=ends.__getitem__))
        candidates = [other for other in before(path[-1]) if other in ends]
    return tuple(reversed(path)), ends[path[0]][0] if path else 0.0
