"""An orderly end if nobody reads the output any more, as in `./doit list | head -1`."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from typing import TextIO

from cvimake.core.errors import EXIT_BY_SIGNAL

EXIT_UNREAD = EXIT_BY_SIGNAL + signal.SIGPIPE


def is_unread(stream: TextIO) -> bool:
    """Tell whether a stream is a pipe whose reader is gone; False for a stream without a file."""
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:
        return False
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def leave(error: BrokenPipeError) -> int:
    """Silence the standard streams that nobody reads, and return the exit code for that.

    Otherwise Python would try to flush them at its end, and print an error.

    Raises:
        BrokenPipeError: all standard streams have readers, so another pipe broke.
    """
    unread = [stream for stream in (sys.stdout, sys.stderr) if is_unread(stream)]
    if not unread:
        raise error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in unread:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return EXIT_UNREAD


def open_missing() -> None:
    """Replace each standard stream that the caller has closed (`>&-`) by one that goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - to the end
