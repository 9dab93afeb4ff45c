"""Results of finished actions, by their keys: no machine that shares a store does the same work twice.

A store has two kinds of files: `actions/KEY.json` says which outputs an action had, `blobs/SHA256` holds
them. Blobs come first and an action last, so that what is found is complete. Every blob is verified when it
is taken out: what is damaged all the same means building, and never a wrong file.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cvimake.builder.store.place import Beat, DamagedError, Place, StoreError
from cvimake.builder.store.waiting import Patience
from cvimake.core import announce, digest

ACTIONS, BLOBS = "actions", "blobs"
# Seconds after which a store that does not answer is left alone for the rest of the build.
LOOK_UP, TRANSFER = 5.0, 20.0
# Seconds after which the same holds for a store that answers but does not finish; a transfer gets more.
LONGEST_LOOK_UP, LONGEST_TRANSFER = 15.0, 60.0
# Bytes per second: some drivers send a file in one piece, without a sign of life meanwhile.
SLOWEST = 1_000_000
# Bytes per second: a slower store saves no time.
_LEAST_RATE = 100_000
# Bounds of an entry, far beyond any action: bytes of the entry and of an output, seconds, cores, outputs.
LARGEST_ENTRY, _LARGEST_BLOB = 1024**2, 64 * 1024**3
_LONGEST_ACTION, _MOST_CORES, _MOST_OUTPUTS = 1e7, 4096, 1000
# After so many damaged results a store is left alone.
MOST_DAMAGED = 10

# The disk that is written to is full, or its quota is.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Result = TypeVar("Result")
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Json(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Blob(_Json):
    """One output's contents."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0, le=_LARGEST_BLOB)]
    """Bytes."""


class Entry(_Json):
    """The entry of a finished action."""

    action: str
    """How people called it where it ran: `MODEL:STAGE`."""
    seconds: Annotated[float, Field(ge=0, le=_LONGEST_ACTION)]
    """How long it ran."""
    cores: Annotated[int, Field(ge=1, le=_MOST_CORES)] = 1
    """On how many cores."""
    outputs: Annotated[dict[str, Blob], Field(max_length=_MOST_OUTPUTS)]
    """By the name under which the tool wrote it."""

    @property
    def size(self) -> int:
        """Of all its outputs, in bytes."""
        return sum(blob.size for blob in self.outputs.values())


class Store:
    """The results in one place. Its methods may be called from several threads.

    Nothing fails by a store: what goes wrong is said once, and from then on it is left alone.

    Args:
        label: what people call the place.
        read_only: take results from it, and keep none in it.
    """

    def __init__(self, place: Place, label: str, *, read_only: bool = False) -> None:
        self.place = place
        self.label = label
        self._read_only = read_only
        self._guard = threading.Lock()
        self._gave_up = False
        self._found_damaged = 0
        self._look_up = Patience(LOOK_UP)
        self._transfer = Patience(TRANSFER)

    @property
    def takes_results(self) -> bool:
        """True if it takes results at present."""
        return not (self._read_only or self._gave_up)

    def find(self, key: str) -> Entry | None:
        """Return the entry of an action; None if there is none, or if the store cannot be used."""
        if self._gave_up:
            return None
        name = action_file(key)
        try:
            content = self._look_up.wait(
                lambda _beat: self.place.read(name, LARGEST_ENTRY), longest=LONGEST_LOOK_UP
            )
        except FileNotFoundError:
            return None
        except DamagedError as error:
            self._damaged(key, str(error))
            return None
        except (OSError, StoreError) as error:
            self._give_up(error)
            return None
        try:
            return Entry.model_validate_json(content)
        except ValidationError:
            self._damaged(key, f"{name} is damaged")
            return None

    def restore(self, key: str, entry: Entry, targets: Mapping[str, Path], beat: Beat) -> bool:
        """Write an action's outputs.

        Args:
            key: of the action.
            entry: what is known of it.
            targets: where each output is to be written, by its name. They are not published by that.
            beat: called after each piece.

        Returns:
            True if all are there, each with its recorded bytes; otherwise the reason is printed.
        """
        if entry.outputs.keys() != targets.keys():
            self._damaged(key, f"{action_file(key)} has other outputs than the action")
            return False

        def fetch(sign: Beat) -> None:
            def beats() -> None:
                sign()
                beat()

            for name, blob in entry.outputs.items():
                self._take_out(blob, targets[name], beats)

        try:
            self._transfer.wait(fetch, entry.size / SLOWEST, longest_transfer(entry.size))
        except DamagedError as error:
            self._damaged(key, str(error))
            return False
        except (OSError, StoreError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                # The project's own disk is full. A build of the stage reports that itself, with a remedy.
                announce.note(
                    f"warning: {entry.action}: its result cannot be taken from the store: the disk of "
                    f"{next(iter(targets.values())).parent} is full"
                )
                return False
            self._give_up(error)
            return False
        with contextlib.suppress(OSError, StoreError):
            self.place.touch(action_file(key))
        return True

    def keep(self, key: str, entry: Entry, files: Mapping[str, Path]) -> None:
        """Keep the outputs of a finished action, unless they have changed since."""
        if not self.takes_results:
            return

        def send(beat: Beat) -> None:
            for name, blob in entry.outputs.items():
                where = blob_file(blob.sha256)
                if self.place.size(where) == blob.size:
                    continue
                if not put_in(self.place, files[name], blob, beat):
                    return
            self.place.write(action_file(key), entry.model_dump_json().encode())

        try:
            self._transfer.wait(send, entry.size / SLOWEST, longest_transfer(entry.size))
        except FileNotFoundError:
            # Removed again already; it is kept when it is next built.
            return
        except (OSError, StoreError) as error:
            self._give_up(error)

    def end(self) -> None:
        """Give up all work: the build is interrupted."""
        self._gave_up = True
        self._look_up.end()
        self._transfer.end()

    def _take_out(self, blob: Blob, target: Path, beat: Beat) -> None:
        name = blob_file(blob.sha256)
        try:
            take_out(self.place, blob, target, beat)
        except FileNotFoundError:
            raise DamagedError(f"{name} is missing") from None
        except DamagedError:
            self._forget(name)
            raise

    def _damaged(self, key: str, what: str) -> None:
        """Says what is wrong; the action is then built and kept anew."""
        announce.note(f"warning: the store {self.label}: {what}; building instead")
        self._forget(action_file(key))
        with self._guard:
            self._found_damaged += 1
        if self._found_damaged >= MOST_DAMAGED:
            self._give_up(StoreError(f"{MOST_DAMAGED} of its results are damaged; see ./doit store:verify"))

    def _forget(self, name: str) -> None:
        if self.takes_results:
            with contextlib.suppress(OSError, StoreError):
                self.place.remove(name)

    def _give_up(self, error: Exception) -> None:
        with self._guard:
            said, self._gave_up = self._gave_up, True
        if not said:
            text = getattr(error, "strerror", None) or str(error)
            announce.note(f"warning: the store {self.label} is left alone in this build: {text}")


def put_in(place: Place, path: Path, blob: Blob, beat: Beat) -> bool:
    """Keep a file's contents in a place, and tell whether the file still has them.

    A user may have edited it meanwhile. Its contents are then removed again.

    Raises:
        FileNotFoundError: the file is not there any more.
        StoreError: the place cannot take it.
    """
    name = blob_file(blob.sha256)
    place.keep(name, path, beat)
    if digest.of_file(path, beat) == blob.sha256:
        return True
    place.remove(name)
    return False


def take_out(place: Place, blob: Blob, target: Path, beat: Beat) -> None:
    """Write contents that a place holds to a path, and verify them.

    Raises:
        FileNotFoundError: the place does not hold them.
        DamagedError: it holds other bytes under their name.
        StoreError: it cannot give them.
        OSError: they cannot be written.
    """
    name = blob_file(blob.sha256)
    place.fetch(name, target, beat, blob.size)
    if digest.of_file(target, beat) != blob.sha256:
        raise DamagedError(f"{name} is damaged")


def longest_transfer(size: int) -> float:
    """Return the seconds that the transfer of so many bytes may take."""
    return LONGEST_TRANSFER + size / _LEAST_RATE


def action_file(key: str) -> str:
    """Where a store says what an action's outputs are."""
    return f"{ACTIONS}/{key[:2]}/{key}.json"


def blob_file(sha256: str) -> str:
    """Where a store holds contents."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"
