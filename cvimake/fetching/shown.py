"""Shows how far the downloads are: a bar on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from cvimake.core import announce, terminal
from cvimake.fetching.tally import Tally

# Seconds between two lines.
_EVERY = 10.0
_REFRESHES = 4
_BAR_WIDTH = 24


@contextlib.contextmanager
def shown(tally: Tally) -> Iterator[None]:
    """Show a tally until the downloads have ended."""
    with _drawn(tally) if terminal.errors().isatty() else _written(tally):
        yield


@contextlib.contextmanager
def _drawn(tally: Tally) -> Iterator[None]:
    from rich.console import Console, RenderableType  # noqa: PLC0415 - slow to import, and only needed here
    from rich.live import Live  # noqa: PLC0415 - as above
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    def draw() -> RenderableType:
        size = tally.size
        bar = ProgressBar(total=size, completed=tally.done, pulse=size is None, width=_BAR_WIDTH)
        table = Table.grid(padding=(0, 1))
        table.add_row(bar, terminal.styled(str(tally)))
        return table

    console = Console(file=terminal.errors())
    with Live(console=console, get_renderable=draw, refresh_per_second=_REFRESHES, transient=True):
        yield


@contextlib.contextmanager
def _written(tally: Tally) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(_EVERY):
            announce.note(f"fetching: {tally}")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
