"""Gives a kept answer again, if nothing that it depends on has changed."""

from __future__ import annotations

import fcntl
import os

from cvimake.cli.answers import kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cvimake.cli.answers.kept import Answer
    from cvimake.cli.answers.request import Request

# The lock of a build, relative to the project's folder.
LOCK = "build/.lock"


def of_request(request: Request) -> Answer | None:
    """Return the kept answer to a request; None if there is none."""
    try:
        answer = kept.read(request.path)
    except (OSError, ValueError, kept.Damaged):
        # The command runs then, and reports an error if there is one.
        return None
    return answer if answer.request == request.digest else None


def repeat(answer: Answer, write: Callable[[int, bytes], None]) -> bool:
    """Print a kept answer if it still holds, and tell whether it does.

    Args:
        answer: the kept answer.
        write: writes bytes to a standard stream, which its number names.
    """
    try:
        if not _holds(answer):
            return False
    except (OSError, OverflowError):
        # The command runs then, and reports an error if there is one.
        return False
    for stream, text in answer.printed:
        write(stream, text)
    return True


def _holds(answer: Answer) -> bool:
    """Tell whether an answer holds, and for a build also whether no other build runs."""
    if not answer.takes_lock:
        return answer.holds()
    lock = os.open(LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A build that was killed has left its name there. The next one removes it.
        return os.fstat(lock).st_size == 0 and answer.holds()
    finally:
        os.close(lock)


def write_all(stream: int, text: bytes) -> None:
    """Write bytes to a standard stream.

    Raises:
        OSError: they cannot be written.
    """
    while text:
        text = text[os.write(stream, text) :]
