"""A clean end on Ctrl-C and SIGTERM: what runs is stopped, what is finished stays."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from cvimake.core import announce
from cvimake.core.errors import EXIT_BY_SIGNAL, EXIT_INTERRUPTED

# For so long further signals are not heard: what runs is being ended. After that one of them gives that up.
DEAF_SECONDS = 10.0


@contextlib.contextmanager
def ends_cleanly(message: str) -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into what Ctrl-C is, so that every `finally` runs; ends with their exit code.

    Their default would end the process at once and leave containers behind, and so would an impatient second
    one. What our caller had us ignore (`nohup`) stays ignored.
    """
    exit_code = EXIT_INTERRUPTED
    first: float | None = None
    gives_up = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal exit_code, first, gives_up
        if first is None:
            exit_code = EXIT_BY_SIGNAL + number
            first = time.monotonic()
        elif time.monotonic() - first < DEAF_SECONDS:
            return
        else:
            gives_up = True
        raise KeyboardInterrupt

    previous = {
        number: signal.signal(number, end)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        if first is None and not isinstance(error, KeyboardInterrupt):
            raise
        # Otherwise it is the terminal that is gone, as SIGHUP said.
        announce.note(message)
        if gives_up and _waits_for_threads():
            # Python would wait for them at its end, and an engine that froze never answers them.
            announce.note("warning: leaving at once; the next ./doit removes the containers that are left")
            os._exit(exit_code)
        raise SystemExit(exit_code) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _waits_for_threads() -> bool:
    """Say whether there are threads that Python waits for at its end."""
    return any(
        thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()
    )
