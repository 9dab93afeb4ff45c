"""Keeps results in a JSON file, with the machine and the day that they come from.

A file can hold the results of several runs: a benchmark that takes long can be measured alone, and added.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.measure import Result
from cvimake.core.errors import CvimakeError


@dataclass(frozen=True, kw_only=True)
class Record:
    """A result and its origin.

    Attributes:
        date: the day, like `2026-01-31`.
        commit: the commit of cvimake, from `git describe`; with a + if there were uncommitted changes.
        machine: the facts that the figures depend on, by name.
    """

    date: str
    commit: str
    machine: dict[str, str]
    result: Result

    @property
    def key(self) -> tuple[object, ...]:
        """Return the key of the figure: a newer result with the same key takes its place."""
        found = self.result
        return found.benchmark, found.figure, found.scale, found.against, found.comparison, found.unit


_RECORDS = TypeAdapter(list[Record])


def load(path: Path) -> list[Record]:
    """Read a file that `save` wrote.

    Raises:
        CvimakeError: it cannot be read.
    """
    try:
        return _RECORDS.validate_json(path.read_bytes())
    except OSError as error:
        raise CvimakeError(str(error), "Measure first: `./doit bench`.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise CvimakeError(
            f"{path} holds no results of this version of the benchmarks: {place}: {first['msg']}",
            "Remove it and measure again, without --add.",
        ) from error


def save(records: Sequence[Record], path: Path) -> None:
    """Write everything that was measured, with every single run, and the comparisons."""
    rows = [
        {
            **row,
            "median": record.result.ours.median if record.result.ours.values else None,
            "value": record.result.value,
            "within": record.result.is_within,
        }
        for record, row in zip(records, _RECORDS.dump_python(list(records), mode="json"), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each result is a line, so that a difference shows the results that have changed.
    text = ",\n".join(map(json.dumps, rows))
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def merged(old: Iterable[Record], new: Iterable[Record]) -> list[Record]:
    """Return old and new results; a new one takes the place of an old one with the same key."""
    return list({record.key: record for record in (*old, *new)}.values())
