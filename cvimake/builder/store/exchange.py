"""Files by their contents, for machines that work together through one store.

`Store` saves work, and nothing fails by it. Machines that hand each other files through a store cannot do
without it: here each fault is an error.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from cvimake.builder.store import (
    LONGEST_LOOK_UP,
    LOOK_UP,
    SLOWEST,
    TRANSFER,
    Blob,
    Entry,
    Store,
    action_file,
    blob_file,
    longest_transfer,
    put_in,
    take_out,
)
from cvimake.builder.store.place import Beat, DamagedError, StoreError
from cvimake.builder.store.waiting import Patience
from cvimake.core.errors import CvimakeError

Result = TypeVar("Result")


class UnreachableError(CvimakeError):
    """The store cannot be reached, or refuses what is asked of it."""

    id = "store"


class MissingError(Exception):
    """The store does not hold a file, or holds other bytes in its place."""

    def __init__(self, blob: Blob) -> None:
        super().__init__(blob.sha256)
        self.blob = blob


class Exchange:
    """Puts files into a store by their contents, and takes them out. Several threads may call its methods.

    Args:
        store: it must take results.
    """

    def __init__(self, store: Store) -> None:
        self._place, self._label = store.place, store.label
        self._guard = threading.Lock()
        # The sha256 of files that are known to be in the store.
        self._there: set[str] = set()
        self._patience = Patience(LOOK_UP), Patience(TRANSFER)

    def put(self, path: Path, blob: Blob) -> None:
        """Put a file into the store, unless its contents are there already.

        Raises:
            UnreachableError: the store cannot be used.
            CvimakeError: the file does not have these contents any more.
        """
        with self._guard:
            if blob.sha256 in self._there:
                return
        name = blob_file(blob.sha256)
        if self._look_up(lambda: self._place.size(name)) == blob.size:
            # Files that nobody has wanted for long are removed.
            self._look_up(lambda: self._place.touch(name))
        else:
            self._transfer(lambda beat: self._send(path, blob, beat), blob.size)
        with self._guard:
            self._there.add(blob.sha256)

    def holds(self, blob: Blob) -> bool:
        """Tell whether the store holds a file.

        Raises:
            UnreachableError: the store cannot be used.
        """
        return self._look_up(lambda: self._place.size(blob_file(blob.sha256))) == blob.size

    def forget(self, blob: Blob) -> None:
        """Look again whether the store holds a file, when it is next put there."""
        with self._guard:
            self._there.discard(blob.sha256)

    def remove(self, blob: Blob) -> None:
        """Remove a file from the store, where that is possible."""
        self.forget(blob)
        with contextlib.suppress(OSError, UnreachableError):
            self._look_up(lambda: self._place.remove(blob_file(blob.sha256)))

    def take(self, blob: Blob, target: Path) -> None:
        """Write a file of the store to a path, and verify its bytes.

        Raises:
            MissingError: the store does not hold it, or has held other bytes, which are removed then.
            UnreachableError: the store cannot be used.
            OSError: it cannot be written.
        """
        try:
            self._transfer(lambda beat: take_out(self._place, blob, target, beat), blob.size)
        except FileNotFoundError as error:
            raise MissingError(blob) from error
        except DamagedError as error:
            with contextlib.suppress(OSError, StoreError):
                self._place.remove(blob_file(blob.sha256))
            raise MissingError(blob) from error

    def keep(self, key: str, entry: Entry) -> None:
        """Note that an action has the outputs of an entry, which are in the store.

        Raises:
            UnreachableError: the store cannot be used.
        """
        content = entry.model_dump_json().encode()
        self._look_up(lambda: self._place.write(action_file(key), content))

    def drop(self, key: str) -> None:
        """Remove what is noted of an action's result; its files stay.

        Raises:
            UnreachableError: the store cannot be used.
        """
        self._look_up(lambda: self._place.remove(action_file(key)))

    def end(self) -> None:
        """Give up all present and further work: the build is interrupted."""
        for patience in self._patience:
            patience.end()

    def _send(self, path: Path, blob: Blob, beat: Beat) -> None:
        if not put_in(self._place, path, blob, beat):
            raise CvimakeError(f"{path} was edited while it was sent to the store", "Start again.")

    def _look_up(self, work: Callable[[], Result]) -> Result:
        with self._telling():
            return self._patience[0].wait(lambda _beat: work(), longest=LONGEST_LOOK_UP)

    def _transfer(self, work: Callable[[Beat], None], size: int) -> None:
        with self._telling():
            # As long as a slow store may take for a file of this size.
            self._patience[1].wait(work, size / SLOWEST, longest_transfer(size))

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Name the store in its errors.

        Raises:
            UnreachableError: in the place of a StoreError.
        """
        try:
            yield
        except StoreError as error:
            raise UnreachableError(f"the store {self._label}: {error}") from error
