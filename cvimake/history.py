"""What each stage was when it last succeeded, for who asks why it runs.

Kept apart from doit's records: those are read by every build, and this by none that has nothing to do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvimake import announce, digest
from cvimake.records import is_damage, opened_to_read, remove

HISTORY = Path("build/history.sqlite")
_TABLES = """
create table if not exists runs (
    task text not null primary key,
    ended real not null,
    definition text not null,
    inputs text not null,
    reasons text not null,
    seconds real not null
);
create table if not exists texts (sha256 text not null primary key, text text not null);
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A task's last success.

    Attributes:
        ended: when, in seconds since 1970.
        definition: what it was defined as; a JSON value.
        inputs: the sha256 of each file that it read.
        reasons: why it ran; JSON values.
        seconds: how long it took.
    """

    task: str
    ended: float
    definition: Any
    inputs: Mapping[str, str]
    reasons: Iterable[dict[str, Any]]
    seconds: float


class History:
    """The runs of one project; for one thread. What cannot be read is not there, and nothing fails by it.

    Args:
        path: the database, made when something is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection | None = None

    def last(self, task: str) -> Run | None:
        """A task's last success; None where none is known."""
        row = self._row("select * from runs where task = ?", task)
        if row is None:
            return None
        try:
            name, ended, definition, inputs, reasons, seconds = row
            return Run(
                task=name,
                ended=float(ended),
                definition=json.loads(definition),
                inputs=dict(json.loads(inputs)),
                reasons=list(json.loads(reasons)),
                seconds=float(seconds),
            )
        except (TypeError, ValueError):
            return None

    def text(self, sha256: str) -> str | None:
        """What was in a file that was kept; None where it was not."""
        row = self._row("select text from texts where sha256 = ?", sha256)
        return None if row is None else str(row[0])

    def add(self, run: Run, kept: Iterable[str] = ()) -> None:
        """Writes down a run, in the place of the task's earlier one.

        Args:
            run: what has succeeded.
            kept: texts that are to be found again by their sha256.
        """
        row = (
            run.task,
            run.ended,
            json.dumps(run.definition),
            json.dumps(run.inputs),
            json.dumps(list(run.reasons)),
            run.seconds,
        )
        texts = [(digest.of_text(text), text) for text in kept]
        try:
            try:
                self._write(row, texts)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                # What it knew is only told, and never decides.
                self.close()
                remove(self._path)
                self._write(row, texts)
        except sqlite3.Error as error:
            announce.note(f"warning: {self._path}: {error}; `./doit why` will not know of {run.task}")

    def _write(self, row: tuple[object, ...], texts: list[tuple[str, str]]) -> None:
        if self._writing is None:
            self._writing = sqlite3.connect(self._path)
            self._writing.executescript(_TABLES)
        with self._writing:
            self._writing.execute("insert or replace into runs values (?, ?, ?, ?, ?, ?)", row)
            self._writing.executemany("insert or ignore into texts values (?, ?)", texts)

    def close(self) -> None:
        """Lets go of the database."""
        for connection in (self._reading, self._writing):
            if connection:
                connection.close()
        self._reading = self._writing = None

    def _row(self, query: str, key: str) -> tuple[Any, ...] | None:
        try:
            if self._reading is None:
                self._reading = opened_to_read(self._path)
            row: tuple[Any, ...] | None = self._reading.execute(query, (key,)).fetchone()
        except sqlite3.Error:
            return None
        return row
