"""A clean end on Ctrl-C and SIGTERM: what runs is stopped, what is finished stays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from cvimake import announce
from cvimake.errors import EXIT_INTERRUPTED, EXIT_TERMINATED


@contextlib.contextmanager
def ends_cleanly(message: str) -> Iterator[None]:
    """Turns SIGTERM into what Ctrl-C is, so that every `finally` runs; ends the program with its exit code.

    SIGTERM's default would end the process at once and leave containers behind.
    """
    terminated = False

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        announce.note(message)
        raise SystemExit(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
