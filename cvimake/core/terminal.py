"""Writing to the terminal: the one place through which everything goes that a person or a program reads.

File names, tensor names, versions and logs come from strangers. Characters that a terminal obeys are replaced
here, so that no caller can forget it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from cvimake.core.errors import harmless

if TYPE_CHECKING:
    from rich.text import Text


def line(text: str = "") -> None:
    """Writes a result to standard output, and ends the line."""
    write(f"{text}\n")


def write(text: str, stream: TextIO | None = None) -> None:
    """Writes a text as it is, but for the characters that a terminal obeys.

    Args:
        text: one line or several; none is ended.
        stream: standard output, where no other one is given.
    """
    (stream or sys.stdout).write(harmless(text))


def complain(text: object) -> None:
    """Writes an error or a warning to standard error, under cvimake's name."""
    write(f"cvimake: {text}\n", sys.stderr)
    flush()


def output() -> TextIO:
    """Return standard output, for whatever draws on it or hands it on."""
    return sys.stdout


def errors() -> TextIO:
    """Return standard error."""
    return sys.stderr


def flush() -> None:
    """Shows at once what was written."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def styled(text: str, style: str = "") -> Text:
    """A text for one of rich's tables or drawings, without the characters that a terminal obeys.

    Args:
        text: shown as it is; rich's markup in it is not obeyed either.
        style: one of rich's.
    """
    from rich.text import Text  # noqa: PLC0415 - slow to import, and this is the one place for it

    return Text(harmless(text), style)
