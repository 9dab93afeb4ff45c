"""An orderly end on Ctrl-C and SIGTERM: running stages are stopped, and finished ones stay."""

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

# Further signals are ignored for this time, while the running stages are stopped. A signal after that ends
# the program at once.
DEAF_SECONDS = 10.0


@contextlib.contextmanager
def ends_cleanly(message: str) -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that every `finally` runs; end with the signal's exit code.

    By default they would end the process at once and leave containers behind, and so would a second signal.
    A signal that our caller ignores (`nohup`) stays ignored.
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
        # An OSError after a signal means that the terminal is gone, as SIGHUP told.
        announce.note(message)
        if gives_up and _waits_for_threads():
            # Python would wait for its threads, and they wait for an engine that has frozen.
            announce.note("warning: leaving at once; the next ./doit removes the containers that are left")
            os._exit(exit_code)
        raise SystemExit(exit_code) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _waits_for_threads() -> bool:
    """Tell whether there are threads that Python waits for at its end."""
    return any(
        thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()
    )
