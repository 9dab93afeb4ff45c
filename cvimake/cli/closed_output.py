"""An orderly end if nobody reads the output any more, as in `./doit list | head -1`, or its disk is full."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Iterable
from typing import TextIO

from cvimake.core import terminal
from cvimake.core.errors import EXIT_BY_SIGNAL, EXIT_NOT_POSSIBLE, CvimakeError

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
    _silence(unread)
    return EXIT_UNREAD


def leave_unwritable(error: OSError) -> int:
    """Silence standard output if it cannot be written to, say why, and return the exit code for that.

    Raises:
        OSError: standard output can be written to, so it was something else.
    """
    if error.filename:
        raise error
    try:
        # A new write shows whether it was this stream. The text that failed may no longer be in its buffer.
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        _silence([sys.stdout])
        what = f"the output cannot be written: {error.strerror}"
        terminal.complain(CvimakeError(what, "Free some space where it goes, and run the command again."))
        return EXIT_NOT_POSSIBLE
    raise error


def _silence(streams: Iterable[TextIO]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_missing() -> None:
    """Replace each standard stream that the caller has closed (`>&-`) by one that goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - to the end
