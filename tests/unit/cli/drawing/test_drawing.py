from __future__ import annotations

from hypothesis import given, settings
from random_graphs import random_graphs

from cvimake.cli.drawing import Group, Kind, Node, Picture, State, reduced


def reach(edges: list[tuple[str, str]], nodes: list[str]) -> set[tuple[str, str]]:
    found = set(edges)
    for middle in nodes:
        found |= {(a, d) for a, b in found if b == middle for c, d in found if c == middle}
    return found


def test_a_line_that_follows_from_others_is_left_out() -> None:
    assert reduced({"a": [], "b": ["a"], "c": ["a", "b"]}) == [("a", "b"), ("b", "c")]


@settings(deadline=None)
@given(random_graphs())
def test_redundant_edges_are_left_out_and_no_dependency_is_lost(needs: dict[str, list[str]]) -> None:
    edges, nodes = reduced(needs), list(needs)
    everything = [(needed, name) for name, others in needs.items() for needed in others]
    assert reach(edges, nodes) == reach(everything, nodes)
    for edge in edges:
        assert edge not in reach([other for other in edges if other != edge], nodes)


def test_only_stages_that_need_no_other_of_their_group_need_the_shared_ones_directly() -> None:
    read = Node(key="f", kind=Kind.FILE, title="f")
    first, second = (Node(key=key, kind=Kind.STAGE, title=key, state=State.WILL_RUN) for key in "ab")
    group = Group(
        title="m", description="", nodes=(read, first, second), edges=(("f", "a"), ("f", "b"), ("a", "b"))
    )
    shared = Node(key="s", kind=Kind.STAGE, title="s", state=State.WILL_RUN)
    assert list(Picture(groups=(group,), shared=(shared,)).edges(group)) == [("s", "a"), *group.edges]
