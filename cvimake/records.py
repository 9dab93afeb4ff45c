"""doit's records of what is done, written down the moment it is done."""

from __future__ import annotations

from doit.dependency import SqliteDB


class Records(SqliteDB):  # type: ignore[misc] # doit has no type information
    """doit writes when the whole run ends, and a killed run loses every finished task."""

    desc = "sqlite3, written after every task"

    def flush(self) -> None:
        """Writes what is known to the disk."""
        for task in self._dirty:
            record = self.codec.encode(self._cache[task])
            self._conn.execute("insert or replace into doit values (?, ?)", (task, record))
        self._conn.commit()
        self._dirty.clear()
