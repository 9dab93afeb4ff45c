"""Downloads one file into a part file, which a later attempt or run goes on with."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import Patience
from cvimake.fetching.reply import Ask, CannotResumeError, Reply

_BLOCK = 1024 * 1024
# Bytes. A file for which no size is declared may not have more.
MOST_UNDECLARED = 8 * 1024**3


class StoppedError(Exception):
    """The user has interrupted the downloads."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The properties that a fetched file must have.

    Attributes:
        server: the origin, for messages.
        size: in bytes; None if none is declared.
    """

    server: str
    sha256: str
    size: int | None


@dataclass
class Watch:
    """The callbacks that are told the progress of a transfer, and the event that stops it.

    Attributes:
        have: is told how many bytes of the file are there.
        received: is told how many bytes have come in.
        whole: is told the bytes of the whole file, as soon as they are known.
        stop: ends the transfer when it is set.
    """

    have: Callable[[int], None] = lambda _count: None
    received: Callable[[int], None] = lambda _count: None
    whole: Callable[[int], None] = lambda _count: None
    stop: threading.Event = field(default_factory=threading.Event)


def transfer(ask: Ask, part: Path, wanted: Wanted, watch: Watch, patience: Patience) -> None:
    """Download a file until the part file has its sum.

    If the part file has the beginning of another file, the sum is wrong, and all is downloaded once more.

    Raises:
        FetchError: the server does not send the file. The part file stays only if it can be of use.
        StoppedError: the user has interrupted it. The part file stays.
        OSError: the part file cannot be written.
    """
    pauses = list(patience.pauses)
    while True:
        try:
            began_with, sha256 = _attempt(ask, part, wanted, watch)
        except CannotResumeError:  # noqa: PERF203 - each turn waits for a server
            part.unlink(missing_ok=True)
        except FetchError as error:
            if error.spoils or not part.stat().st_size:
                part.unlink()
            if not error.passes or not pauses:
                raise
            if watch.stop.wait(pauses.pop(0)):
                raise StoppedError from None
        else:
            if sha256 == wanted.sha256:
                return
            part.unlink()
            if not began_with:
                raise FetchError("fetch-sum", server=wanted.server, found=sha256, wanted=wanted.sha256)


def _attempt(ask: Ask, part: Path, wanted: Wanted, watch: Watch) -> tuple[int, str]:
    """Ask for the rest of a file once.

    Returns:
        The bytes that were there before, and the sha256 of the whole.
    """
    with _opened(part) as file:
        digest = hashlib.sha256()
        have = 0
        while block := file.read(_BLOCK):
            digest.update(block)
            have += len(block)
            _check(watch)
        began_with = have
        watch.have(have)
        if have and have == wanted.size:
            return began_with, digest.hexdigest()
        with ask(have) as reply:
            if reply.start != have:
                file.seek(0)
                file.truncate()
                began_with, have, digest = 0, 0, hashlib.sha256()
            _compare(reply, wanted)
            whole = wanted.size or reply.whole
            if whole:
                watch.whole(whole)
            for piece in reply.pieces:
                _check(watch)
                have += len(piece)
                if have > (whole or MOST_UNDECLARED):
                    raise _too_much(have, wanted)
                file.write(piece)
                # Whatever ends us now, the next run goes on from here.
                file.flush()
                digest.update(piece)
                watch.received(len(piece))
                watch.have(have)
        if whole is not None and have < whole:
            raise FetchError("fetch-truncated", server=wanted.server, got=have, whole=whole)
        return began_with, digest.hexdigest()


def _opened(part: Path) -> BinaryIO:
    """Open a part file to read and write it; a stranger's project could have a link in its place."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+b")


def _check(watch: Watch) -> None:
    if watch.stop.is_set():
        raise StoppedError


def _compare(reply: Reply, wanted: Wanted) -> None:
    if reply.whole is None:
        return
    if wanted.size is not None and reply.whole != wanted.size:
        raise FetchError("fetch-size", server=wanted.server, found=reply.whole, wanted=wanted.size)
    if wanted.size is None and reply.whole > MOST_UNDECLARED:
        raise _too_much(reply.whole, wanted)


def _too_much(have: int, wanted: Wanted) -> FetchError:
    if wanted.size is None:
        return FetchError("fetch-too-large", server=wanted.server, most=f"{MOST_UNDECLARED} bytes")
    return FetchError("fetch-size", server=wanted.server, found=f"at least {have}", wanted=wanted.size)
