"""Collects the mistakes of a dataset's labels, and the facts that are no mistakes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cvimake.core.errors import DeclarationError

# Labels of a hundred thousand images can have as many mistakes.
_MOST_SHOWN = 20
_LONGEST = 40
# Annotations of all images together. Each needs about 300 bytes of memory.
MOST_ANNOTATIONS = 2_000_000


class Findings:
    """The mistakes and notes so far. Only the first mistakes are kept; the others are counted."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._count = 0
        self._notes: Counter[tuple[str, str]] = Counter()

    @property
    def is_full(self) -> bool:
        """True if a further mistake would only be counted."""
        return len(self._shown) == _MOST_SHOWN

    def mistake(self, place: Path | str, what: str) -> None:
        """Note a mistake at a place: a file, or a file with a line."""
        self._count += 1
        if not self.is_full:
            self._shown.append(f"{place}: {what}")

    def note(self, place: Path, what: str, count: int = 1) -> None:
        """Note a fact. Equal facts become one, with the sum of their counts in the place of `{count}`."""
        self._notes[f"{place}", what] += count

    def stop_at_mistakes(self) -> None:
        """Raise an error if there are mistakes.

        Raises:
            DeclarationError: it names the first mistakes, and says how many more there are.
        """
        if not self._count:
            return
        more = self._count - len(self._shown)
        lines = [*self._shown, *([f"and {more} more mistakes in these labels"] if more else [])]
        raise DeclarationError("\n".join(lines))

    def told(self) -> tuple[str, ...]:
        """Return the notes."""
        return tuple(
            f"{place}: {what.replace('{count}', f'{n}')}" for (place, what), n in self._notes.items()
        )


def shown(value: object) -> str:
    """Return a stranger's value for a message, shortened if it is long."""
    text = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**_LONGEST):
        text = f"{value:g}" if isinstance(value, float) else f"{value}"
    elif isinstance(value, int):
        text = "a number of more than 40 digits"
    return (
        repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...") if isinstance(value, str) else text
    )
