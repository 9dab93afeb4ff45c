"""What is said while things are set up: one line for each step, with the time it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cvimake.core import terminal

if TYPE_CHECKING:
    from rich.text import Text


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


class Counter:
    """The line of a step on a terminal, with the seconds that go by and what is done just now.

    Args:
        line: what stands before them.
    """

    def __init__(self, line: str) -> None:
        self._line, self._detail, self._started = line, "", time.monotonic()

    def show(self, detail: str) -> None:
        """Takes what is done just now."""
        self._detail = detail

    def __rich__(self) -> Text:
        """The line as it is at this moment: a terminal asks for it several times a second."""
        seconds = f"{time.monotonic() - self._started:.0f} s"
        now = f"{seconds}, {self._detail}" if self._detail else seconds
        return terminal.styled(f"{self._line}{now}", style="dim")


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

    counter = Counter(line)
    with Console(stderr=True).status(counter) as status:
        try:
            yield counter.show
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
