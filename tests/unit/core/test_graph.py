from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.core import graph
from cvimake.core.errors import CvimakeError

# Two chains that begin with one node.
NEEDS = {"image": (), "a1": ("image",), "a2": ("a1",), "b1": ("image",), "b2": ("b1", "a1")}
DEPTH = 20_000


def test_descendants_come_in_the_order_of_the_walk() -> None:
    assert list(graph.reached(["b2"], NEEDS.__getitem__)) == ["b2", "b1", "image", "a1"]


def test_a_walk_of_a_cycle_ends() -> None:
    cycle = {"a": ("b",), "b": ("a",)}
    assert graph.reached(["a"], cycle.__getitem__) == cycle


def test_an_order_of_a_cycle_is_an_error_that_names_its_nodes() -> None:
    with pytest.raises(CvimakeError, match=r"these need each other: (a, b, a|b, a, b)$"):
        list(graph.in_order(["a"], {"a": ("b",), "b": ("a",)}.__getitem__))


def test_a_chain_is_not_torn_apart_by_others() -> None:
    assert list(graph.in_order(["a2", "b2"], NEEDS.__getitem__)) == ["image", "a1", "a2", "b1", "b2"]


def test_a_deep_graph_needs_no_recursion() -> None:
    order = list(graph.in_order([DEPTH], lambda node: [node - 1] if node else []))
    assert order == list(range(DEPTH + 1))
    assert graph.longest(order, lambda node: [node - 1], lambda _node: 1.0)[DEPTH] == (DEPTH + 1, DEPTH + 1)


def test_the_longest_path_is_by_length_and_then_by_the_number_of_nodes() -> None:
    order = ["image", "a1", "b1", "b2"]
    seconds = {"a1": 5.0, "b1": 2.0}
    path = graph.longest_path(order, NEEDS.__getitem__, lambda node: seconds.get(node, 0.0))
    assert path == (("image", "a1", "b2"), 5.0)
    assert graph.longest_path(order, NEEDS.__getitem__, lambda _node: 0.0) == (("image", "b1", "b2"), 0.0)


def test_no_nodes_have_an_empty_path() -> None:
    assert graph.longest_path([], NEEDS.__getitem__, lambda _node: 1.0) == ((), 0.0)


graphs = st.lists(st.sets(st.integers(0, 11)), max_size=12).map(
    lambda rows: {node: sorted(other for other in row if other < node) for node, row in enumerate(rows)}
)


@given(graphs)
def test_every_node_comes_after_what_it_needs(needs: Mapping[int, Sequence[int]]) -> None:
    order = list(graph.in_order(needs, needs.__getitem__))
    assert sorted(order) == sorted(needs)
    assert all(order.index(other) < order.index(node) for node, others in needs.items() for other in others)


@given(graphs)
def test_no_path_is_longer_than_the_longest(needs: Mapping[int, Sequence[int]]) -> None:
    def lengths(node: int) -> list[int]:
        return [node + 1, *(node + 1 + length for other in needs[node] for length in lengths(other))]

    path, length = graph.longest_path(needs, needs.__getitem__, lambda node: node + 1)
    assert length == sum(node + 1 for node in path) == max(map(max, map(lengths, needs)), default=0)
