"""Everything that a store holds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from cvimake.builder.store import ACTIONS, BLOBS, LARGEST_ENTRY, LONGEST_LOOK_UP, LOOK_UP, Entry, blob_file
from cvimake.builder.store.place import DamagedError, Place, Stored
from cvimake.builder.store.waiting import Patience


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


def blobs_of(entry: Entry) -> set[str]:
    """Return the file names of an entry's blobs."""
    return {blob_file(blob.sha256) for blob in entry.outputs.values()}


def _entry(place: Place, name: str) -> Entry | None:
    """Read the entry of an action; return None if the file is damaged."""
    try:
        content = Patience(LOOK_UP).wait(
            lambda _beat: place.read(name, LARGEST_ENTRY), longest=LONGEST_LOOK_UP
        )
        return Entry.model_validate_json(content)
    except (ValidationError, DamagedError):
        return None
