"""A clean end where nobody reads the output any more, as in `./doit list | head -1`."""

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
    """Whether a stream is a pipe whose reader is gone. One without a file behind it is none."""
    try:
        number = stream.fileno()
    except io.UnsupportedOperation:
        return False
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def leave(error: BrokenPipeError) -> int:
    """Turns the standard streams that nobody reads off, and returns the exit code for that.

    Python would write what is left in them once more when it ends, and complain.

    Raises:
        BrokenPipeError: all of them are read; it is another pipe that broke.
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
    """Puts a stream that goes nowhere in the place of each that the caller has closed (`>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - to the end
