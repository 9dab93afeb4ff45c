"""Messages while something is set up: one line for each piece of work, with the time that it took."""

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
    """Write a line to standard error. If that is closed or cannot be written, nothing fails."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        terminal.complain(text)


class Once:
    """Tells each text to the user only once. Several threads may call it."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Tell a text, unless it was told before."""
        with self._lock:
            is_new = text not in self._told
            self._told.add(text)
        if is_new:
            note(text)


@contextlib.contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Write the name of a piece of work, and when it has ended, the time that it took.

    Args:
        what: the work, such as `building the toolchain image`.

    Yields:
        A function that takes a detail, which is shown on a terminal until the next one.
    """
    started = time.monotonic()
    outcome = "failed"
    if threading.current_thread() is not threading.main_thread():
        # Other threads write lines in the meantime.
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
    """The line of a piece of work on a terminal, with the seconds so far and a detail."""

    def __init__(self, line: str) -> None:
        self._line, self._detail, self._started = line, "", time.monotonic()

    def show(self, detail: str) -> None:
        """Set the detail."""
        self._detail = detail

    def __rich__(self) -> Text:
        """Return the line as it is now; rich asks for it several times a second."""
        seconds = f"{time.monotonic() - self._started:.0f} s"
        now = f"{seconds}, {self._detail}" if self._detail else seconds
        return terminal.styled(f"{self._line}{now}", style="dim")


@contextlib.contextmanager
def _shown(what: str) -> Iterator[Callable[[str], None]]:
    """Write the line of a piece of work up to its outcome; on a terminal, with a spinner and details."""
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
    """Ask a question on a terminal and tell whether the answer is yes. Without a terminal it is yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    terminal.write(f"cvimake: {question} [Y/n] ", terminal.errors())
    terminal.flush()
    return sys.stdin.readline().strip().lower() in {"", "y", "yes"}
