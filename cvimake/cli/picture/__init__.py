"""The graph as a picture: what is in it, whatever it is drawn as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a node stands for."""

    FILE = "file"
    STAGE = "stage"
    CVIMODEL = "cvimodel"


class State(Enum):
    """What a build would do with a stage."""

    UP_TO_DATE = "up to date"
    WILL_RUN = "will run"
    MAY_RUN = "may run"
    WAITS = "waits"
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A file or folder that is read, or a stage.

    Attributes:
        key: names it in its picture, and no other node.
        details: what is known of it, a line each.
        state: of a stage; None of what is only read.
        last: how long it took when it last ran, in words; empty where that is not known.
        reasons: why it is stale, a line each.
    """

    key: str
    kind: Kind
    title: str
    details: tuple[str, ...] = ()
    state: State | None = None
    last: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Its state and time in words; empty for what is only read."""
        if self.state is None:
            return ""
        return f"{self.state.value} · {self.last}" if self.last else self.state.value


Edge = tuple[str, str]  # the keys of what is needed, and of what needs it


@dataclass(frozen=True, kw_only=True)
class Group:
    """The nodes of one model, each after those that it needs, and the edges among them."""

    title: str
    description: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A graph.

    Attributes:
        shared: stages that all groups need; they belong to none.
    """

    groups: tuple[Group, ...]
    shared: tuple[Node, ...]

    def beginnings(self, group: Group) -> list[Node]:
        """The stages of a group that need no other one in it, so directly what is shared."""
        stages = {node.key for node in group.nodes if node.kind is not Kind.FILE}
        led_to = {end for start, end in group.edges if start in stages}
        return [node for node in group.nodes if node.key in stages - led_to]


def reduced(needs: Mapping[str, Iterable[str]]) -> list[Edge]:
    """The edges of a graph without those that follow from others.

    Args:
        needs: of each node what it needs, itself among the nodes before it.
    """
    reached: dict[str, set[str]] = {}
    edges: list[Edge] = []
    for node, direct in needs.items():
        known = [name for name in direct if name in reached]
        through = {name for needed in known for name in reached[needed]}
        edges += [(name, node) for name in dict.fromkeys(known) if name not in through]
        reached[node] = through | set(known)
    return edges
