"""Looks after a store: how full it is, what goes when it is too full, and whether it is sound."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from cvimake.builder.store import (
    ACTIONS,
    BLOBS,
    LARGEST_ENTRY,
    LONGEST_LOOK_UP,
    LOOK_UP,
    TRANSFER,
    Entry,
    blob_file,
    longest_transfer,
)
from cvimake.builder.store.patience import Patience
from cvimake.builder.store.place import DamagedError, Place, Stored

# A younger blob that no action names may belong to an upload that goes on, in seconds.
_BEING_KEPT = 3600.0


@dataclass(frozen=True)
class Contents:
    """All that a store holds.

    Attributes:
        actions: with what is known of each, by file name; None for a damaged one.
        blobs: by file name.
    """

    actions: Mapping[str, tuple[Stored, Entry | None]]
    blobs: Mapping[str, Stored]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(blob.size for blob in self.blobs.values()) + sum(
            file.size for file, _ in self.actions.values()
        )


def contents(place: Place) -> Contents:
    """Look through a store.

    Raises:
        OSError, StoreError: the place cannot be used.
    """
    actions: dict[str, tuple[Stored, Entry | None]] = {}
    for file in place.files(ACTIONS):
        # Another process removes entries as well.
        with contextlib.suppress(FileNotFoundError):
            actions[file.name] = (file, _entry(place, file.name))
    return Contents(actions, {blob.name: blob for blob in place.files(BLOBS)})


@dataclass(frozen=True)
class Eviction:
    """The files to remove from a store.

    Attributes:
        actions: file names; they go first, so that none is left whose blobs are gone.
        blobs: file names.
        bytes: that become free.
    """

    actions: tuple[str, ...]
    blobs: tuple[str, ...]
    bytes: int


def eviction(held: Contents, limit: int, now: float) -> Eviction:
    """Return what to remove so that a store keeps to a limit: the entries unused for the longest time.

    Args:
        held: all that it holds.
        limit: in bytes.
        now: in seconds since 1970.
    """
    latest_first = sorted(held.actions.items(), key=lambda item: (-item[1][0].used, item[0]))
    wanted: set[str] = set()
    gone: list[str] = []
    size, is_full = 0, False
    for name, (file, entry) in latest_first:
        if entry is None:
            gone.append(name)
            continue
        blobs = {blob_file(blob.sha256): blob.size for blob in entry.outputs.values()}
        more = file.size + sum(count for blob, count in blobs.items() if blob not in wanted)
        # Once an entry does not fit, all older ones go too: otherwise the large ones would go first.
        is_full = is_full or size + more > limit
        if is_full:
            gone.append(name)
            continue
        size += more
        wanted |= blobs.keys()
    # With a limit of 0 the store is emptied, recent files included.
    latest = now - _BEING_KEPT if limit else now
    unwanted = [blob for name, blob in held.blobs.items() if name not in wanted and blob.used <= latest]
    # No build is about to use the blobs that only evicted actions name.
    given_up = {
        blob for name in gone if (entry := held.actions[name][1]) for blob in _blobs_of(entry)
    } - wanted
    blobs_gone = {blob.name: blob.size for blob in unwanted}
    blobs_gone |= {name: held.blobs[name].size for name in given_up if name in held.blobs}
    freed = sum(blobs_gone.values()) + sum(held.actions[name][0].size for name in gone)
    return Eviction(tuple(gone), tuple(sorted(blobs_gone)), freed)


def evict(place: Place, limit: int) -> Eviction:
    """Make a store no larger than a limit in bytes; return what was removed.

    Raises:
        OSError, StoreError: the place cannot be used.
    """
    going = eviction(contents(place), limit, time.time())
    for name in (*going.actions, *going.blobs):
        place.remove(name)
    return going


@dataclass
class Faults:
    """The faults of a store.

    Attributes:
        damaged: files that do not hold what was put there.
        incomplete: actions with an output that is missing or damaged.
    """

    damaged: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


def verify(
    place: Place, watch: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[Contents, Faults]:
    """Read everything in a store, except files that are larger than the results that name them say.

    Args:
        place: of the store.
        watch: is told how many bytes are done, of how many.

    Raises:
        OSError, StoreError: the place cannot be used.
    """
    held, faults, done = contents(place), Faults(), 0
    declared = _declared(held)
    # A sparse file of a terabyte is made at once and takes an hour to read.
    too_large = {name for name, blob in held.blobs.items() if blob.size > declared.get(name, blob.size)}
    whole = sum(blob.size for name, blob in held.blobs.items() if name not in too_large)
    sound: set[str] = set()
    for name, blob in held.blobs.items():
        if name in too_large:
            faults.damaged.append(name)
            continue
        is_sound = _is_sound(place, name, blob.size)
        if is_sound:
            sound.add(name)
        else:
            faults.damaged.append(name)
        done += blob.size
        watch(done, whole)
    for name, (_, entry) in held.actions.items():
        if entry is None:
            faults.damaged.append(name)
        elif not _blobs_of(entry) <= sound:
            faults.incomplete.append(name)
    return held, faults


def _declared(held: Contents) -> dict[str, int]:
    """Return the size that results name for each blob, by its file name; the largest if they disagree."""
    sizes: dict[str, int] = {}
    for _, entry in held.actions.values():
        for blob in entry.outputs.values() if entry else ():
            name = blob_file(blob.sha256)
            sizes[name] = max(sizes.get(name, 0), blob.size)
    return sizes


def _entry(place: Place, name: str) -> Entry | None:
    """Read the entry of an action; return None if the file is damaged."""
    try:
        content = Patience(LOOK_UP).wait(
            lambda _beat: place.read(name, LARGEST_ENTRY), longest=LONGEST_LOOK_UP
        )
        return Entry.model_validate_json(content)
    except (ValidationError, DamagedError):
        return None


def _blobs_of(entry: Entry) -> set[str]:
    return {blob_file(blob.sha256) for blob in entry.outputs.values()}


def _is_sound(place: Place, name: str, size: int) -> bool:
    """Tell whether a blob has the sha256 of its name; also if another process has just removed it."""
    try:
        sha256 = Patience(TRANSFER).wait(
            lambda beat: place.sha256(name, beat, size), longest=longest_transfer(size)
        )
    except FileNotFoundError:
        return True
    except DamagedError:
        return False
    return blob_file(sha256) == name
