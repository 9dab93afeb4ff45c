"""Waits for work that may never end: a network file system that hangs, a server that does not answer."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from cvimake.builder.store.place import Beat, StoreError

Result = TypeVar("Result")
# Seconds between two looks whether the work is still wanted.
_LOOKS_UP = 0.2

# True if the work is done, and its result.
_Signs = queue.SimpleQueue[tuple[bool, object]]


class _Thread(threading.Thread):
    """A thread that does one piece of work after another. No process waits for its end.

    Attributes:
        work: what it is to do. It is in `_idle` while it has nothing to do.
    """

    def __init__(self) -> None:
        super().__init__(name="store", daemon=True)
        self.work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def run(self) -> None:
        while True:
            self.work.get()()


# A new thread for each look into the store would take longer than the look itself.
_idle: deque[_Thread] = deque()


class Patience:
    """Gives work up when it shows no sign of life for some seconds, or when nobody wants it any more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = threading.Event()

    def end(self) -> None:
        """Give up all present and further work."""
        self._ended.set()

    def wait(self, work: Callable[[Beat], Result], more: float = 0.0, longest: float = math.inf) -> Result:
        """Do work in another thread, and return its result.

        Work that is given up goes on until it notices: a thread cannot be stopped. No process waits for it.

        Args:
            work: is given what it calls to show that it goes on. That raises StoreError once it is given up.
            more: seconds that it may be silent beside the usual ones.
            longest: seconds that it may take, however often it shows that it goes on.

        Raises:
            StoreError: it was given up.
        """
        signs: _Signs = queue.SimpleQueue()
        given_up = threading.Event()

        def beat() -> None:
            if given_up.is_set() or self._ended.is_set():
                raise StoreError("given up")
            signs.put((False, None))

        def run() -> None:
            try:
                result: object = work(beat)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                result = error
            # The next work may come as soon as this one has its result.
            _idle.append(thread)
            signs.put((True, result))

        if self._ended.is_set():
            raise StoreError("given up")
        thread = _free_thread()
        thread.work.put(run)
        try:
            result = self._result(signs, self._seconds + more, longest)
        except StoreError:
            given_up.set()
            raise
        if isinstance(result, BaseException):
            raise result
        return cast("Result", result)

    def _result(self, signs: _Signs, silent: float, longest: float) -> object:
        """Wait for the result; raise StoreError if that takes too long."""
        began = last = time.monotonic()
        while (sign := _next(signs)) is None or not sign[0]:
            now = time.monotonic()
            if sign:
                last = now
            if self._ended.is_set() or now - last > silent:
                raise StoreError(f"no answer within {silent:.3g} s")
            if now - began > longest:
                raise StoreError(f"not done within {longest:.3g} s")
        return sign[1]


def _free_thread() -> _Thread:
    """Return a thread that has nothing to do; a new one if all are busy, perhaps for ever."""
    try:
        return _idle.pop()
    except IndexError:
        thread = _Thread()
        thread.start()
        return thread


def _next(signs: _Signs) -> tuple[bool, object] | None:
    """Return the next sign of life; None if there was none for a while."""
    try:
        return signs.get(timeout=_LOOKS_UP)
    except queue.Empty:
        return None
