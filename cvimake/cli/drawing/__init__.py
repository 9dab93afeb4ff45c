"""The graph as a picture: its nodes and edges, in whatever format it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kind of a node."""

    FILE = "file"
    STAGE = "stage"
    CVIMODEL = "cvimodel"


class State(Enum):
    """The fate of a stage in the next build, in the words of `plan`."""

    UP_TO_DATE = "up to date"
    WILL_RUN = "will run"
    MAY_RUN = "may run"
    WAITS = "waits"
    CANNOT_RUN = "cannot run"
    LEFT_OUT = "left out"


SIGNS = {
    State.UP_TO_DATE: "✓",
    State.WILL_RUN: "▶",
    State.MAY_RUN: "▷",
    State.WAITS: "‖",
    State.CANNOT_RUN: "✗",
    State.LEFT_OUT: "○",
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of the picture: a stage, or a file or folder that a stage reads.

    Attributes:
        key: its name, which no other node of the picture has.
        state: a stage's; None for a file or folder.
        last: how long the last run took, in words; empty if that is not known.
        reasons: why it is stale, one reason a line.
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
        """Return its state and time in words; empty for a file or folder."""
        if self.state is None:
            return ""
        return f"{self.state.value} · {self.last}" if self.last else self.state.value

    @property
    def lines(self) -> list[str]:
        """Return its text: its title and details; for a stage also the sign of its state, and its status."""
        return [self.title, *self.details, *([f"{SIGNS[self.state]} {self.status}"] if self.state else [])]


Edge = tuple[str, str]  # The key of the node that is needed, and the key of the node that needs it.


@dataclass(frozen=True, kw_only=True)
class Group:
    """The nodes of one model, each after the nodes that it needs, and the edges between them."""

    title: str
    description: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A graph.

    Attributes:
        shared: the stages that all groups need; they belong to no group.
    """

    groups: tuple[Group, ...]
    shared: tuple[Node, ...]

    def edges(self, group: Group) -> Iterator[Edge]:
        """Yield the edges of a group, and before them those from the shared stages.

        A stage that needs no other stage of the group needs the shared ones directly.
        """
        stages = {node.key for node in group.nodes if node.kind is not Kind.FILE}
        led_to = {end for start, end in group.edges if start in stages}
        beginnings = [node.key for node in group.nodes if node.key in stages - led_to]
        yield from ((shared.key, beginning) for beginning in beginnings for shared in self.shared)
        yield from group.edges


def reduced(needs: Mapping[str, Iterable[str]]) -> list[Edge]:
    """Return the edges of a graph without those that follow from others.

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
