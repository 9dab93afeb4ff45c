"""What is said while things are set up: one line for each step, with the time it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from cvimake import terminal
from cvimake.errors import harmless


def note(text: str) -> None:
    """A line for the user that is not a result. No work fails because nobody hears it."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        terminal.complain(text)


@contextlib.contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Says what is being done, and when it is done how long it took.

    Yields:
        A function that takes what is being done just now; it is shown on a terminal.
    """
    started = time.monotonic()
    outcome = "failed"
    if threading.current_thread() is not threading.main_thread():
        # Others write in the meantime.
        note(f"{what} ...")
        try:
            yield lambda _detail: None
            outcome = f"{time.monotonic() - started:.1f} s"
        finally:
            note(f"{what}: {outcome}")
        return
    try:
        with _shown(what) as show:
            yield show
        outcome = f"{time.monotonic() - started:.1f} s"
    finally:
        terminal.write(f"{outcome}\n", terminal.errors())
        terminal.flush()


@contextlib.contextmanager
def _shown(what: str) -> Iterator[Callable[[str], None]]:
    """The line of a step up to its outcome; on a terminal with a spinner and details while it goes on."""
    line = f"cvimake: {what} ... "
    if not sys.stderr.isatty():
        terminal.write(line, terminal.errors())
        terminal.flush()
        yield lambda _detail: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed here
    from rich.markup import escape  # noqa: PLC0415 - the same

    started = time.monotonic()
    with Console(stderr=True).status(escape(line)) as status:

        def show(detail: str) -> None:
            elapsed = time.monotonic() - started
            status.update(f"{escape(line)}[dim]{elapsed:.0f} s, {escape(harmless(detail))}[/dim]")

        try:
            yield show
        finally:
            status.stop()
            terminal.write(line, terminal.errors())


def confirm(question: str) -> bool:
    """Asks on a terminal; where there is none, nobody is there to object."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    terminal.write(f"cvimake: {question} [Y/n] ", terminal.errors())
    terminal.flush()
    return sys.stdin.readline().strip().lower() in {"", "y", "yes"}
