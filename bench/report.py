"""Shows results to people: as a table on the terminal, and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import breakdown
from bench.breakdown import Breakdown
from bench.measure import Comparison, Result, Runs, Unit
from bench.records import Record

# Wide enough for every figure's name. It is used where the output is no terminal and has no width.
_WIDTH = 220
_COUNTED = {
    Unit.SECONDS: "",
    Unit.MILLISECONDS: "",
    Unit.PROCESSOR_SECONDS: ", time of all processors",
    Unit.PROCESSOR_MILLISECONDS: ", time of all processors",
    Unit.MEBIBYTES: ", memory of the largest process",
    Unit.MEBIBYTES_ON_DISK: ", its files",
}
_SHORT = {
    Unit.SECONDS: "s",
    Unit.MILLISECONDS: "ms",
    Unit.PROCESSOR_SECONDS: "s",
    Unit.PROCESSOR_MILLISECONDS: "ms",
    Unit.MEBIBYTES: "MiB",
    Unit.MEBIBYTES_ON_DISK: "MiB",
}
_HEADINGS = ("measured", "median (all runs)", "against", "median (all runs)", "is", "at most", "")


def cells(result: Result) -> tuple[str, ...]:
    """Return a result's line: the medians, the least and the most of all runs, and the comparison."""
    ours, theirs = (_runs(runs, result.unit) for runs in (result.ours, result.theirs))
    value = result.theirs.missing if result.value is None else _comparison(result, result.value)
    verdict = {None: "", True: "within", False: "MISSED"}[result.is_within]
    return (
        f"{result.name}{_COUNTED[result.unit]}",
        f"{ours}, projected" if result.projected else ours,
        result.against,
        theirs,
        f"less than {value}" if result.theirs.ended else value,
        "" if result.bound is None else _comparison(result, result.bound),
        verdict,
    )


def table(results: Iterable[Result]) -> Table:
    """Return a table with a line for each result."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("benchmark", *_HEADINGS):
        drawn.add_column(heading, no_wrap=True)
    styles = {None: "", True: "green", False: "bold red"}
    for result in results:
        *texts, verdict = cells(result)
        drawn.add_row(
            result.benchmark, *(Text(text) for text in texts), Text(verdict, style=styles[result.is_within])
        )
    return drawn


def show(records: Sequence[Record]) -> None:
    """Print the table, and the machine that it was measured on."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(table(record.result for record in records))
    for origin in dict.fromkeys(map(_origin, records)):
        console.print(origin, style="dim", highlight=False)


def show_breakdown(of: Breakdown) -> None:
    """Print when each stage of a build ran, and what it waited for."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in breakdown.HEADINGS:
        drawn.add_column(heading, no_wrap=True)
    for row in breakdown.rows(of):
        drawn.add_row(*(Text(text) for text in row))
    console.print(drawn)
    console.print(Text(breakdown.summary(of)))


def markdown_breakdown(of: Breakdown, picture: str) -> str:
    """Return the same in Markdown.

    Args:
        of: the breakdown.
        picture: the path of its picture.
    """
    rows = [breakdown.HEADINGS, ["---"] * len(breakdown.HEADINGS), *breakdown.rows(of)]
    parts = (
        "### one build",
        f"![when each stage ran]({picture})",
        breakdown.summary(of),
        "".join(map(_line, rows)),
    )
    return "\n\n".join(parts)


def markdown(records: Sequence[Record]) -> str:
    """Return a table for each benchmark, with the machine that it was measured on."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.result.benchmark, []).append(record)
    parts = []
    for benchmark, found in groups.items():
        rows = [_HEADINGS, ["---"] * len(_HEADINGS), *(cells(record.result) for record in found)]
        origins = "\n\n".join(dict.fromkeys(map(_origin, found)))
        parts.append(f"### {benchmark}\n\n{''.join(map(_line, rows))}\n{origins}\n")
    return "\n".join(parts)


def amount(number: float) -> str:
    """Return a figure with three digits, and no more than three of them behind the point."""
    before = math.floor(math.log10(abs(number))) + 1 if number else 1
    return f"{number:,.{min(3, max(0, 3 - before))}f}"


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', '&#124;') for text in texts)} |\n"


def _origin(record: Record) -> str:
    facts = ", ".join(f"{name}: {fact}" for name, fact in record.machine.items())
    return f"{record.date}, cvimake {record.commit}; {facts}"


def _runs(runs: Runs, unit: Unit) -> str:
    if not runs.values:
        return "not measured"
    median = f"{amount(runs.median)} {_SHORT[unit]}"
    if runs.ended:
        return f"more than {median}"
    if len(runs.values) == 1:
        return median
    return f"{median} ({amount(min(runs.values))} - {amount(max(runs.values))})"


def _comparison(result: Result, number: float) -> str:
    """Return a number of the result's comparison, like `2.03 times`, `0.410 s more` or `0.270 s`."""
    if result.comparison is Comparison.RATIO:
        return f"{amount(number)} times"
    if result.comparison is Comparison.DIFFERENCE:
        return f"{amount(abs(number))} {_SHORT[result.unit]} {'more' if number >= 0 else 'less'}"
    return f"{amount(number)} {_SHORT[result.unit]}"
