"""Results with the machine and the day that they come from, as a JSON file.

A file can hold those of several runs: what takes long can be measured alone, and added.
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
    """A result and where it comes from.

    Attributes:
        date: the day, as `2026-01-31`.
        commit: of cvimake, as `git describe` says it; with a + where there were other changes.
        machine: what the figures depend on, by name.
    """

    date: str
    commit: str
    machine: dict[str, str]
    result: Result

    @property
    def key(self) -> tuple[object, ...]:
        """What is measured: a newer one with the same key takes its place."""
        found = self.result
        return found.benchmark, found.figure, found.scale, found.against, found.comparison, found.unit


_RECORDS = TypeAdapter(list[Record])


def load(path: Path) -> list[Record]:
    """Reads a file that `save` wrote.

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
    """Writes everything that was measured, every single run too, and what it comes to."""
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
    # A line for each, so that it can be seen what has changed.
    text = ",\n".join(map(json.dumps, rows))
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def merged(old: Iterable[Record], new: Iterable[Record]) -> list[Record]:
    """Old and new ones: those that were measured again are the new, in the place of the old."""
    return list({record.key: record for record in (*old, *new)}.values())
