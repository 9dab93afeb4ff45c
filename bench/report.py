"""Results for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.measure import Comparison, Result, Times

# Wide enough for every figure's name; what is not a terminal has no width.
_WIDTH = 200


def table(results: Iterable[Result]) -> Table:
    """A line for each result: the medians, from the shortest to the longest run, and what they come to."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("benchmark", "figure", "median (all runs)", "against", "median (all runs)", "is"):
        drawn.add_column(heading, no_wrap=True)
    drawn.add_column("at most", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    for result in results:
        cells = (
            result.benchmark,
            result.figure,
            _times(result.times),
            result.against,
            _times(result.against_times),
            _value(result, result.value),
            _value(result, result.bound),
        )
        within = Text("within", style="green") if result.is_within else Text("MISSED", style="bold red")
        drawn.add_row(*(Text(cell) for cell in cells), within)
    return drawn


def show(results: Iterable[Result], machine: Mapping[str, object]) -> None:
    """Prints the table, and what it was measured on."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(table(results))
    console.print(
        ", ".join(f"{name}: {fact}" for name, fact in machine.items()), style="dim", highlight=False
    )


def save(results: Sequence[Result], machine: Mapping[str, object], path: Path) -> None:
    """Writes everything that was measured, every single run too; times in seconds."""
    document = {"machine": dict(machine), "results": [_as_json(result) for result in results]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _as_json(result: Result) -> dict[str, object]:
    return {
        "benchmark": result.benchmark,
        "figure": result.figure,
        "median": result.times.median,
        "seconds": list(result.times.seconds),
        "against": result.against,
        "against_median": result.against_times.median,
        "against_seconds": list(result.against_times.seconds),
        "comparison": result.comparison.value,
        "value": result.value,
        "bound": result.bound,
        "within": result.is_within,
    }


def _times(times: Times) -> str:
    return f"{times.median:.2f} s ({min(times.seconds):.2f} - {max(times.seconds):.2f})"


def _value(result: Result, number: float) -> str:
    """A number of the result's comparison: `2.03 times`, `0.41 s more`, `0.27 s`."""
    if result.comparison is Comparison.RATIO:
        return f"{number:.2f} times"
    return f"{number:.2f} s more" if result.comparison is Comparison.DIFFERENCE else f"{number:.2f} s"
