"""Removal of the entries that a store has no room for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cvimake.builder.store import blob_file
from cvimake.builder.store.inventory import Contents, blobs_of, contents
from cvimake.builder.store.place import Place

# A younger blob that no action names may belong to an upload that goes on, in seconds.
_BEING_KEPT = 3600.0


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
        blob for name in gone if (entry := held.actions[name][1]) for blob in blobs_of(entry)
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
