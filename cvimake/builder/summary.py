"""The table at the end of a build: a line for each cvimodel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cvimake.builder import accuracy_table
from cvimake.camera.decoding import Works
from cvimake.camera.recognition import Recognition
from cvimake.core import terminal
from cvimake.core.units import duration, milliseconds, size
from cvimake.pipeline.stage import Row

if TYPE_CHECKING:
    from rich.table import Table

# With more rows, only those that this build made or failed to make are shown.
MOST_UNCHANGED = 40
# Wide enough for every name; a file has no width of its own.
_WIDTH = 240


class State(Enum):
    """The ways in which a build can come to a cvimodel."""

    UNCHANGED = "unchanged"
    RESTORED = "from the store"
    BUILT = "built"
    # A stage that it needs has failed.
    LEFT_OUT = "left out"
    FAILED = "FAILED"


@dataclass
class Result:
    """The result of this build for a row.

    Attributes:
        seconds: that the row's own stages took, to run or to be restored.
        known: the row's info is about the present cvimodel, and not about an earlier one.
    """

    state: State = State.UNCHANGED
    seconds: float = 0.0
    known: bool = True


_STYLES: dict[Works, str] = {
    "yes": "green",
    "badly": "bold yellow",
    "unclear": "bold yellow",
    "no": "bold red",
}
_COLOURS = {
    State.UNCHANGED: "dim",
    State.RESTORED: "green",
    State.BUILT: "green",
    State.LEFT_OUT: "yellow",
    State.FAILED: "bold red",
}
# From the best to the worst.
SEVERITY = {state: number for number, state in enumerate(State)}


def new_table() -> Table:
    """Return an empty table without rules, as all of our tables are."""
    from rich.table import Table  # noqa: PLC0415 - slow to import, and only needed where one is shown

    return Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def write(results: Mapping[Row, Result], out: TextIO, others: int = 0) -> None:
    """Write the table; nothing if there is no row.

    Args:
        results: of all rows of models that were judged.
        out: where to write it.
        others: how many rows the models have that were left out, since they have nothing to do.
    """
    shown = dict(results)
    if len(results) + others > MOST_UNCHANGED:
        shown = {row: result for row, result in results.items() if result.state is not State.UNCHANGED}
    if not shown:
        return
    # After a failure, the files that are there belong to an earlier build.
    current = {
        row: result.known and result.state not in {State.LEFT_OUT, State.FAILED}
        for row, result in shown.items()
    }
    measured = {row: accuracy_table.read(row) if is_current else None for row, is_current in current.items()}
    of_accuracy = accuracy_table.Columns(measured)
    table = _with_columns(of_accuracy.headings)
    troubles = []
    infos = {row: _read(row.info) if is_current else None for row, is_current in current.items()}
    for row, result in shown.items():
        known = infos[row]
        seen = _recognition(known)
        works = terminal.styled(seen.in_words, style=_STYLES[seen.works]) if seen else ""
        if seen and seen.trouble:
            troubles.append((f"warning: {row.model}:{row.variant}: {seen.trouble}", _STYLES[seen.works]))
        state = terminal.styled(result.state.value, style=_COLOURS[result.state])
        seconds = duration(result.seconds) if result.seconds else ""
        *properties, kind = _cells(known)
        texts = (row.model, row.variant, *properties, *of_accuracy.cells(row), kind)
        cells = (terminal.styled(cell) for cell in texts)
        table.add_row(*cells, works, terminal.styled(seconds), state)
    out.write("\n")
    show(table, out)
    sizes = {row: info["size"] for row, info in infos.items() if info and isinstance(info.get("size"), int)}
    for line in (
        *accuracy_table.explanations(measured),
        *accuracy_table.not_worth_their_size(measured, sizes),
    ):
        _tell(line, "dim", out)
    for trouble, style in troubles:
        _tell(trouble, style, out)


def _with_columns(of_accuracy: Iterable[str]) -> Table:
    """Return an empty table with the columns of a build."""
    table = new_table()
    for heading in ("model", "variant"):
        table.add_column(heading, no_wrap=True)
    for heading in ("size", "ION memory", "TPU time", "similarity", *of_accuracy):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("recognised as", "on the camera"):
        table.add_column(heading, no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    return table


def _tell(text: str, style: str, out: TextIO) -> None:
    """Write a line below the table, in its colour if it goes to a terminal."""
    if not out.isatty():
        terminal.write(f"{text}\n", out)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed here

    Console(file=out).print(terminal.styled(text, style), soft_wrap=True)


def show(table: Table, out: TextIO) -> None:
    """Write a table: to a terminal with colours, elsewhere as plain columns."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed here

    console = Console(file=out, width=None if out.isatty() else _WIDTH)
    if out.isatty():
        if console.measure(table, options=console.options.update(width=_WIDTH)).maximum > console.width:
            # The terminal breaks the lines, so that no name is cut short.
            console = Console(file=out, width=_WIDTH)
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    terminal.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()), out)


def _read(info: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(info.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # The table leaves it empty; the next build makes a damaged file again.
        return None
    return known


def _recognition(info: dict[str, Any] | None) -> Recognition | None:
    """Return how the camera recognises a cvimodel; None if that is not known."""
    try:
        return Recognition.model_validate(info["recognition"]) if info else None
    except (KeyError, ValueError):
        return None


def _cells(info: dict[str, Any] | None) -> tuple[str, str, str, str, str]:
    """Return size, ION memory, estimated time, similarity and recognition as text."""
    if info is None:
        return ("", "", "", "", "")
    similarity = info["similarity"][0]["cosine"] if info["similarity"] else None
    return (
        size(info["size"]),
        f"{info['ion_memory']:.2f} MB",
        milliseconds([clock["together"] for clock in (info.get("time") or {}).get("clocks", ())]),
        "" if similarity is None else f"{similarity:.4f}",
        info["recognised_as"] or "nothing",
    )
