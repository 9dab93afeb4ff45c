"""One line for each step of setting up, with the time it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator


def note(text: str) -> None:
    """A line for the user that is not a result."""
    sys.stderr.write(f"cvimake: {text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is being done, and when it is done how long it took."""
    started = time.monotonic()
    sys.stderr.write(f"cvimake: {what} ... ")
    sys.stderr.flush()
    try:
        yield
    except BaseException:
        sys.stderr.write("failed\n")
        raise
    sys.stderr.write(f"{time.monotonic() - started:.1f} s\n")
    sys.stderr.flush()


def confirm(question: str) -> bool:
    """Asks on a terminal; where there is none, nobody is there to object."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stderr.write(f"cvimake: {question} [Y/n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"", "y", "yes"}
