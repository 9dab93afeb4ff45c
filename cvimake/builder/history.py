"""The history: each stage as it was when it last succeeded, and its failures since, for `plan` and `why`.

It is apart from doit's records: every build reads those, and a build with nothing to do does not read this.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvimake.builder.records import is_damage, opened_to_read, remove
from cvimake.core import announce, digest
from cvimake.core.errors import Problem

HISTORY = Path("build/history.sqlite")
_TABLES = """
create table if not exists runs (
    task text not null primary key,
    ended real not null,
    definition text not null,
    inputs text not null,
    reasons text not null,
    seconds real not null,
    outputs text
);
create table if not exists texts (sha256 text not null primary key, text text not null);
create table if not exists problems (
    task text not null primary key,
    ended real not null,
    problem text not null
);
-- Of an older version.
drop table if exists failures;
"""


_LAST = "select task, ended, definition, inputs, reasons, seconds, outputs from runs where task = ?"
_ADD = """
insert or replace into runs (task, ended, definition, inputs, reasons, seconds, outputs)
values (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A task's last success.

    Attributes:
        ended: when, in seconds since 1970.
        definition: what it was defined as; a JSON value.
        inputs: the sha256 of each file that it read, the record of the toolchain among them.
        outputs: the sha256 of each file that it wrote; empty where an older version took the note.
        reasons: why it ran; JSON values.
    """

    task: str
    ended: float
    definition: Any
    inputs: Mapping[str, str]
    reasons: Iterable[dict[str, Any]]
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task's failure, where it has not succeeded since.

    Attributes:
        ended: when, in seconds since 1970.
    """

    task: str
    ended: float
    problem: Problem


class History:
    """The runs of one project; for one thread. What cannot be read is not there, and nothing fails by it.

    Args:
        path: the database, made when something is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection | None = None
        self._is_together = False
        # The sha256 of texts that were kept since this was made.
        self._kept: set[str] = set()

    def last(self, task: str) -> Run | None:
        """Return a task's last success; None if none is known."""
        row = self._row(_LAST, task)
        if row is None:
            return None
        try:
            name, ended, definition, inputs, reasons, seconds, outputs = row
            return Run(
                task=name,
                ended=float(ended),
                definition=json.loads(definition),
                inputs=dict(json.loads(inputs)),
                reasons=list(json.loads(reasons)),
                seconds=float(seconds),
                outputs=dict(json.loads(outputs or "{}")),
            )
        except (TypeError, ValueError):
            return None

    def failure(self, task: str) -> Failure | None:
        """Return a task's last failure; None if it has succeeded since, or if none is known."""
        row = self._row("select ended, problem from problems where task = ?", task)
        try:
            if row is None:
                return None
            return Failure(task=task, ended=float(row[0]), problem=Problem(**json.loads(row[1])))
        except (TypeError, ValueError):
            return None

    def text(self, sha256: str) -> str | None:
        """Return the text of a file that was kept; None if it was not kept."""
        row = self._row("select text from texts where sha256 = ?", sha256)
        return None if row is None else str(row[0])

    def has_kept(self, sha256: str) -> bool:
        """Tell whether a text was kept since this was made."""
        return sha256 in self._kept

    def add(self, run: Run, kept: Iterable[str] = ()) -> None:
        """Write down a run. It replaces the task's earlier run and its failure.

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
            json.dumps(run.outputs),
        )
        texts = [(digest.of_text(text), text) for text in kept]

        def write(database: sqlite3.Connection) -> None:
            database.execute(_ADD, row)
            database.executemany("insert or ignore into texts values (?, ?)", texts)
            database.execute("delete from problems where task = ?", (run.task,))

        self._write(run.task, write)
        self._kept |= {sha256 for sha256, _ in texts}

    def add_failure(self, failure: Failure) -> None:
        """Write down a failure, beside the task's last success."""
        row = (failure.task, failure.ended, json.dumps(dataclasses.asdict(failure.problem)))

        def write(database: sqlite3.Connection) -> None:
            database.execute("insert or replace into problems values (?, ?, ?)", row)

        self._write(failure.task, write)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is added meanwhile to the disk at one time: that takes as long as for one run."""
        self._is_together = True
        try:
            yield
        finally:
            self._is_together = False
            if self._writing and self._writing.in_transaction:
                self._write("the stages that have just ended", lambda _database: None)

    def _write(self, task: str, write: Callable[[sqlite3.Connection], None]) -> None:
        try:
            try:
                self._write_once(write)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                # A build does not need the history, so a damaged one is replaced by an empty one.
                self.close()
                remove(self._path)
                self._kept.clear()
                self._write_once(write)
        except sqlite3.Error as error:
            announce.note(f"warning: {self._path}: {error}; `./doit why` will not know of {task}")

    def _write_once(self, write: Callable[[sqlite3.Connection], None]) -> None:
        if self._writing is None:
            self._writing = sqlite3.connect(self._path)
            self._writing.executescript(_TABLES)
            if "outputs" not in {column[1] for column in self._writing.execute("pragma table_info(runs)")}:
                # An older version wrote the database.
                self._writing.execute("alter table runs add column outputs text")
        with contextlib.nullcontext() if self._is_together else self._writing:
            write(self._writing)

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
