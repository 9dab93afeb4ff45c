"""Statistics of the use of stores on this machine; they lie in the user's cache."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cvimake.builder.records import opened_to_read

_TABLE = """
create table if not exists uses (
    store text not null primary key,
    hits integer not null,
    misses integer not null,
    kept integer not null,
    seconds_saved real not null
);
"""


@dataclass(kw_only=True)
class Uses:
    """How a store was used.

    Attributes:
        hits: stages whose results came from it.
        misses: stages that it did not know.
        kept: stages whose results were put into it.
        seconds_saved: the time that the hits took when they ran, less the time that it took to restore them.
    """

    hits: int = 0
    misses: int = 0
    kept: int = 0
    seconds_saved: float = 0.0


def add(database: Path, store: str, uses: Uses) -> None:
    """Add to the figures of a store. Errors are ignored: the figures are only shown."""
    with contextlib.suppress(OSError, sqlite3.Error):
        database.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.executescript(_TABLE)
            connection.execute(
                "insert into uses values (?, ?, ?, ?, ?) on conflict (store) do update set "
                "hits = hits + excluded.hits, misses = misses + excluded.misses, "
                "kept = kept + excluded.kept, seconds_saved = seconds_saved + excluded.seconds_saved",
                (store, uses.hits, uses.misses, uses.kept, uses.seconds_saved),
            )


def of_store(database: Path, store: str) -> Uses:
    """All uses of a store, as far as they are known."""
    try:
        with contextlib.closing(opened_to_read(database)) as connection:
            row = connection.execute(
                "select hits, misses, kept, seconds_saved from uses where store = ?", (store,)
            ).fetchone()
    except sqlite3.Error:
        row = None
    if row is None:
        return Uses()
    hits, misses, kept, seconds_saved = row
    return Uses(hits=hits, misses=misses, kept=kept, seconds_saved=seconds_saved)
