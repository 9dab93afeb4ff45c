"""Where a store's files lie: what every kind of place can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# A function that work calls again and again, to show that it goes on.
Beat = Callable[[], None]


class StoreError(Exception):
    """The store cannot be used: it is not reached, not allowed, or full."""


class DamagedError(Exception):
    """A file of the store does not hold what was put there: other bytes, more of them, or no plain file."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file of a store.

    Attributes:
        name: its path in the store.
        size: in bytes.
        used: when it was last wanted, in seconds since 1970; where that is not known, when it was written.
    """

    name: str
    size: int
    used: float


class Place(Protocol):
    """Files by name. Its methods may be called from several threads, and by several machines at once.

    A file is there whole or not at all, at least as far as the place itself can see to that. Every method
    raises StoreError or OSError where the place cannot be used.
    """

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a small file.

        Args:
            name: of the file.
            most: bytes that are read; a file with more is damaged.

        Raises:
            FileNotFoundError: there is none of that name.
            DamagedError: it is larger, or no plain file.
        """

    def fetch(self, name: str, target: Path, beat: Beat, most: int) -> None:
        """Copy a file out.

        Args:
            name: of the file.
            target: where the copy is written.
            beat: called after each piece.
            most: bytes that are written; a file with more is damaged.

        Raises:
            FileNotFoundError: there is none of that name.
            DamagedError: it is larger, or no plain file.
        """

    def sha256(self, name: str, beat: Beat, most: int) -> str:
        """Return the sha256 of what a file holds, in hexadecimal.

        Args:
            name: of the file.
            beat: called after each piece.
            most: bytes that are read; a file with more is damaged.

        Raises:
            FileNotFoundError: there is none of that name.
            DamagedError: it is larger, or no plain file.
        """

    def size(self, name: str) -> int | None:
        """How many bytes a file has; None where there is none of that name."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, and replace an earlier one."""

    def keep(self, name: str, source: Path, beat: Beat) -> None:
        """Copy a file in, and replace an earlier one."""

    def touch(self, name: str) -> None:
        """Says that a file was wanted just now, where the place can remember that."""

    def remove(self, name: str) -> None:
        """Remove a file; do nothing if it is gone already."""

    def files(self, folder: str) -> Iterator[Stored]:
        """Everything below a folder."""
