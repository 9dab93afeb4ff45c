"""What came of each disturbance, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wide enough for every row; what is not a terminal has no width.
_WIDTH = 160


@dataclass(frozen=True, kw_only=True)
class Case:
    """One disturbance and what it led to.

    Attributes:
        campaign: what it belongs to.
        kind: what was done: the victim, the kind of damage, the kind of pair.
        place: where it struck: a stage, a file.
        struck: whether there was something to disturb; where not, the case counts for nothing.
        faults: what cvimake did wrong, in words; none is how it should be.
        facts: what else is worth keeping; JSON values.
    """

    campaign: str
    kind: str
    place: str
    struck: bool = True
    faults: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


def table(cases: Sequence[Case]) -> Table:
    """A line for each kind of disturbance: how many there were, where, and how many faults they found."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("campaign", "kind"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("struck", "missed", "faults"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("where")
    for kind in dict.fromkeys((case.campaign, case.kind) for case in cases):
        mine = [case for case in cases if (case.campaign, case.kind) == kind]
        _add_row(drawn, kind, mine)
    _add_row(drawn, ("all", ""), cases)
    return drawn


def _add_row(drawn: Table, kind: tuple[str, str], cases: Sequence[Case]) -> None:
    struck = [case for case in cases if case.struck]
    faulty = sum(1 for case in cases if case.faults)
    places = Counter(case.place for case in struck) if kind[1] else Counter[str]()
    where = ", ".join(f"{place} {count}" for place, count in sorted(places.items()))
    shown = Text(str(faulty), style="bold red" if faulty else "green")
    drawn.add_row(
        Text(kind[0]), Text(kind[1]), str(len(struck)), str(len(cases) - len(struck)), shown, Text(where)
    )


def show(cases: Sequence[Case]) -> None:
    """Prints the table, and every fault with its case."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(table(cases))
    for case in cases:
        for fault in case.faults:
            console.print(f"FAULT {case.campaign}, {case.kind}, {case.place}: {fault}", markup=False)


def save(cases: Iterable[Case], seed: int, path: Path) -> None:
    """Writes every single case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"seed": seed, "cases": [dataclasses.asdict(case) for case in cases]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
