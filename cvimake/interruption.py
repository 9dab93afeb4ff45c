"""A clean end on Ctrl-C and SIGTERM: what runs is stopped, what is finished stays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from cvimake import announce
from cvimake.errors import EXIT_BY_SIGNAL, EXIT_INTERRUPTED


@contextlib.contextmanager
def ends_cleanly(message: str) -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into what Ctrl-C is, so that every `finally` runs; ends with their exit code.

    Their default would end the process at once and leave containers behind.
    """
    exit_code = EXIT_INTERRUPTED

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal exit_code
        exit_code = EXIT_BY_SIGNAL + number
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        announce.note(message)
        raise SystemExit(exit_code) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
