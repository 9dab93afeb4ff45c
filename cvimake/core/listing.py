"""Lists for people: of all entries, or of the first ones and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable


def lines(entries: Iterable[str], most: int) -> list[str]:
    """Return the first entries, and as a further one the number of the others."""
    told = list(entries)
    return [*told[:most], f"and {len(told) - most} more"] if len(told) > most else told


def line(entries: Iterable[str], most: int) -> str:
    """Return the first entries in one line: `a, b and 3 more`."""
    told = list(entries)
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def every(entries: Iterable[str]) -> str:
    """Return all entries in one line: `a, b and c`."""
    told = list(entries)
    return " and ".join(filter(None, [", ".join(told[:-1]), *told[-1:]]))
