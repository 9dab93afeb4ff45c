"""A server's answer to a request for a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The rest of a file.

    Attributes:
        start: the offset of the first byte that comes.
        whole: the bytes of the whole file; None if the server does not say.
        pieces: the bytes. It raises a FetchError if they stop coming.
    """

    start: int
    whole: int | None
    pieces: Iterator[bytes]


# Asks for a file from an offset on.
Ask = Callable[[int], contextlib.AbstractContextManager[Reply]]


class CannotResumeError(Exception):
    """A server cannot send the rest of a file, only the whole file."""
