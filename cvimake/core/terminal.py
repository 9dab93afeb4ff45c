"""Writing to the terminal. Everything that a person or a program reads goes through this module.

File names, tensor names, versions and logs come from strangers. Control characters are replaced here, so that
no caller can forget it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from cvimake.core.errors import harmless

if TYPE_CHECKING:
    from rich.text import Text


def line(text: str = "") -> None:
    """Write a line to standard output."""
    write(f"{text}\n")


def write(text: str, stream: TextIO | None = None) -> None:
    """Write a text without control characters.

    Args:
        text: one line or several. No line break is added.
        stream: where to write; None for standard output.
    """
    (stream or sys.stdout).write(harmless(text))


def complain(text: object) -> None:
    """Write an error or a warning to standard error, with `cvimake:` in front."""
    write(f"cvimake: {text}\n", sys.stderr)
    flush()


def output() -> TextIO:
    """Return standard output, for whatever draws on it or hands it on."""
    return sys.stdout


def errors() -> TextIO:
    """Return standard error."""
    return sys.stderr


def flush() -> None:
    """Flush standard output and standard error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def styled(text: str, style: str = "") -> Text:
    """Return a text for rich, without control characters.

    Args:
        text: the text. Markup of rich in it has no effect.
        style: a style of rich.
    """
    from rich.text import Text  # noqa: PLC0415 - slow to import

    return Text(harmless(text), style)
