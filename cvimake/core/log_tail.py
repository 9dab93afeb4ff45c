"""The end of what a program printed: a program that fails says why in its last lines."""

from __future__ import annotations

from pathlib import Path

LINES = 12


def last_lines(printed: str, lines: int = LINES) -> str:
    """Return the last lines of a text."""
    return "\n".join(printed.splitlines()[-lines:])


def end_of(log: Path) -> str:
    """Return the last lines of a log file, and where the whole of it is."""
    return f"{last_lines(log.read_text(encoding='utf-8', errors='replace'))}\n{whole(log)}".lstrip("\n")


def whole(log: Path) -> str:
    """Return the line that says where a whole log is."""
    return f"The whole log: {log}"
