"""doit's records of what is done, written down the moment it is done."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path
from typing import Any

from doit.dependency import DatabaseException, SqliteDB

from cvimake.core import announce

# The key of the seconds that a task took, in the values that doit keeps of a task.
SECONDS = "seconds"
# The key of the number of cores that it had.
CORES = "cores"
# The key of the seconds that it took to restore a task from the store, if it did not run.
RESTORED = "restored"


class Records(SqliteDB):
    """doit writes when the whole run ends, and a killed run loses every finished task."""

    desc = "sqlite3, written after every task"

    def _sqlite3(self, name: str) -> sqlite3.Connection:
        # The folder does not exist before the first build.
        Path(name).parent.mkdir(exist_ok=True)
        if (connection := self._opened(name)) is None:
            announce.note(f"warning: {name} is damaged; it is begun anew, and everything is built once more")
            remove(Path(name))
            connection = self._opened(name)
            if connection is None:
                raise sqlite3.DatabaseError(f"{name}: cannot be begun anew")
        return connection

    def _opened(self, name: str) -> sqlite3.Connection | None:
        """Open the database; return None if it is damaged."""
        try:
            connection: sqlite3.Connection = super()._sqlite3(name)
        except DatabaseException as error:
            if not is_damage(cause := error.__context__):
                raise cause or error from None
            return None
        if is_sound(connection):
            return connection
        connection.close()
        return None

    def _get_task_data(self, task_id: str) -> dict[str, Any]:
        """Return a task's record; nothing if it is damaged."""
        try:
            record = super()._get_task_data(task_id)
        except ValueError:
            return {}
        return record if isinstance(record, dict) else {}

    def digests(self) -> dict[str, str]:
        """Return a digest of the records on the disk for each model, and for each task that no model has."""
        hashes: dict[str, hashlib.blake2b] = {}
        cursor = self._conn.cursor()
        # doit's connections make each row a dictionary, and decode it.
        cursor.row_factory = None
        for task, data in cursor.execute(
            "select task_id, cast(task_data as blob) from doit order by task_id"
        ):
            found = hashes.setdefault(str(task).partition(":")[0], hashlib.blake2b(digest_size=16))
            name, record = str(task).encode(), data or b""
            found.update(b"%d %d %b%b" % (len(name), len(record), name, record))
        return {model: found.hexdigest() for model, found in hashes.items()}

    def set(self, task_id: str, dependency: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Change one item of a task's record, and leave the others as they are."""
        # The method of doit would drop the items that it has not read yet.
        self.get(task_id, dependency)
        super().set(task_id, dependency, value)

    def flush(self) -> None:
        """Write all records to the disk."""
        if not self._dirty and not self._conn.in_transaction:
            return
        for task in self._dirty:
            record = self.codec.encode(self._cache[task])
            self._conn.execute("insert or replace into doit values (?, ?)", (task, record))
        self._conn.commit()
        self._dirty.clear()


class UnwrittenRecords(Records):
    """The records for who only looks at them: neither they nor the folder around them change."""

    def _sqlite3(self, name: str) -> sqlite3.Connection:
        copy = super()._sqlite3(":memory:")
        if not Path(name).exists():
            return copy
        try:
            with contextlib.closing(opened_to_read(Path(name))) as kept:
                kept.backup(copy)
            sound = is_sound(copy)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            sound = False
        if sound:
            return copy
        announce.note(f"warning: {name} is damaged; the next build begins it anew")
        copy.close()
        return super()._sqlite3(":memory:")

    def flush(self) -> None:
        """Write nothing."""

    def dump(self) -> None:
        """Write nothing."""
        self._conn.close()


def opened_to_read(path: Path) -> sqlite3.Connection:
    """Open a database for reading only.

    Raises:
        sqlite3.Error: it is not there, or is none.
    """
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def is_damage(error: BaseException | None) -> bool:
    """Tell whether an error of SQLite means that a file is no database, and not that it is busy or closed."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def is_sound(connection: sqlite3.Connection) -> bool:
    """Tell whether the whole of a database can be read."""
    cursor = connection.cursor()
    # doit's connections make each row a dictionary.
    cursor.row_factory = None
    try:
        return bool(cursor.execute("pragma quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return False


def remove(path: Path) -> None:
    """Remove a database, and the journal that SQLite keeps beside it."""
    for name in (path.name, f"{path.name}-journal"):
        path.with_name(name).unlink(missing_ok=True)
