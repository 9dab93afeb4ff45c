"""A worker's own copies of files from the store, by their contents."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from cvimake.builder.store import Blob
from cvimake.builder.store.exchange import Exchange
from cvimake.core import digest


class Cache:
    """A folder of files, each under its sha256. Several threads may call its methods.

    Args:
        folder: it belongs to this process alone.
        limit: bytes; files that no action needs are removed above it, the longest unused first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._in_use: Counter[str] = Counter()
        # Size, and when it was last wanted. The times of the files stay as they are: a tool that reads a file
        # where it lies must find it unchanged.
        self._held: dict[str, tuple[int, float]] = {}
        # One thread fetches a file, and others that want it wait.
        self._fetching: dict[str, threading.Lock] = {}
        for path in folder.iterdir():
            # A worker that was killed may have left half a file.
            if path.suffix:
                path.unlink()
            else:
                self._held[path.name] = (path.stat().st_size, path.stat().st_mtime)

    def path(self, blob: Blob) -> Path:
        """Return the path of a file with these contents; it need not be there."""
        return self._folder / blob.sha256

    @contextlib.contextmanager
    def holding(self, blobs: Iterable[Blob], exchange: Exchange) -> Iterator[None]:
        """Have files here while an action needs them; those that are missing are taken from the store.

        Raises:
            MissingError: the store does not hold one.
            UnreachableError: the store cannot be used.
            OSError: one cannot be written.
        """
        wanted = list(blobs)
        with self._guard:
            self._in_use.update(blob.sha256 for blob in wanted)
        try:
            for blob in wanted:
                self._have(blob, exchange)
            yield
        finally:
            with self._guard:
                self._in_use.subtract(blob.sha256 for blob in wanted)
                self._make_room()

    def verify(self, blobs: Iterable[Blob]) -> None:
        """Remove the files whose bytes have changed on this machine's disk."""
        for blob in blobs:
            with contextlib.suppress(OSError):
                if digest.of_file(self.path(blob)) != blob.sha256:
                    self.path(blob).unlink()
                    with self._guard:
                        self._held.pop(blob.sha256, None)

    def _have(self, blob: Blob, exchange: Exchange) -> None:
        with self._guard:
            fetching = self._fetching.setdefault(blob.sha256, threading.Lock())
        with fetching:
            path = self.path(blob)
            if blob.sha256 not in self._held or not path.is_file() or path.stat().st_size != blob.size:
                new = self._folder / f"{uuid.uuid4().hex}.new"
                try:
                    exchange.take(blob, new)
                    new.chmod(0o644)
                    new.replace(path)
                finally:
                    new.unlink(missing_ok=True)
            with self._guard:
                self._held[blob.sha256] = (blob.size, time.time())

    def _make_room(self) -> None:
        """Remove files above the limit; the caller has the guard."""
        size = sum(held for held, _ in self._held.values())
        if size <= self._limit:
            # To sort thousands of names after each action would take longer than all else.
            return
        for name in sorted(self._held, key=lambda name: self._held[name][1]):
            if size <= self._limit:
                return
            if self._in_use[name] <= 0:
                with contextlib.suppress(OSError):
                    (self._folder / name).unlink(missing_ok=True)
                size -= self._held.pop(name)[0]
                del self._in_use[name]
