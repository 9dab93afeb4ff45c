"""Verification of a store: every file is read and compared with the digest in its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cvimake.builder.store import TRANSFER, blob_file, longest_transfer
from cvimake.builder.store.inventory import Contents, blobs_of, contents
from cvimake.builder.store.place import DamagedError, Place
from cvimake.builder.store.waiting import Patience


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
        elif not blobs_of(entry) <= sound:
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
