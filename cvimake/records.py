"""doit's records of what is done, written down the moment it is done."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from doit.dependency import SqliteDB

# Under which doit keeps how long a task took.
SECONDS = "seconds"
# On how many cores that was.
CORES = "cores"


class Records(SqliteDB):  # type: ignore[misc] # doit has no type information
    """doit writes when the whole run ends, and a killed run loses every finished task."""

    desc = "sqlite3, written after every task"

    def _sqlite3(self, name: str) -> sqlite3.Connection:
        # Nothing else is there before the first task runs.
        Path(name).parent.mkdir(exist_ok=True)
        connection: sqlite3.Connection = super()._sqlite3(name)
        return connection

    def flush(self) -> None:
        """Writes what is known to the disk."""
        for task in self._dirty:
            record = self.codec.encode(self._cache[task])
            self._conn.execute("insert or replace into doit values (?, ?)", (task, record))
        self._conn.commit()
        self._dirty.clear()


class UnwrittenRecords(Records):
    """The records for who only looks at them: neither they nor the folder around them change."""

    def _sqlite3(self, name: str) -> sqlite3.Connection:
        copy = super()._sqlite3(":memory:")
        if Path(name).exists():
            with contextlib.closing(opened_to_read(Path(name))) as kept:
                kept.backup(copy)
        return copy

    def flush(self) -> None:
        """Writes nothing."""

    def dump(self) -> None:
        """Writes nothing."""
        self._conn.close()


def opened_to_read(path: Path) -> sqlite3.Connection:
    """A database that can only be read.

    Raises:
        sqlite3.Error: it is not there, or is none.
    """
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
