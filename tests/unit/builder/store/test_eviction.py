from __future__ import annotations

import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from stores import keep

from cvimake.builder.store import Blob, Entry, Store, action_file, blob_file, eviction, inventory
from cvimake.builder.store.inventory import Contents
from cvimake.builder.store.place import Stored

NOW = 1_000_000.0


def test_the_least_recently_used_entry_is_removed_first(store: Store, tmp_path: Path) -> None:
    for key, age in (("aa", 30.0), ("bb", 10.0), ("cc", 20.0)):
        keep(store, tmp_path, key, key.encode() * 5000, age=age)
    gone = eviction.evict(store.place, 21_000)
    assert gone.actions == (action_file("aa"),)
    assert inventory.contents(store.place).actions.keys() == {action_file("bb"), action_file("cc")}
    assert inventory.contents(store.place).size <= 21_000


def test_files_that_a_newer_entry_shares_stay(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path, "aa", b"shared" * 1000, b"own" * 1000, age=10.0)
    keep(store, tmp_path, "bb", b"shared" * 1000)
    eviction.evict(store.place, 7000)
    assert store.find("aa") is None
    found = store.find("bb")
    assert found is not None
    assert store.restore("bb", found, dict.fromkeys(found.outputs, tmp_path / "out"), lambda: None)
    assert len(inventory.contents(store.place).blobs) == 1


def test_a_limit_of_nothing_empties_it(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path, "aa", b"content")
    gone = eviction.evict(store.place, 0)
    assert (len(gone.actions), len(gone.blobs)) == (1, 1)
    assert inventory.contents(store.place) == Contents({}, {})


def test_a_blob_that_is_being_kept_stays_and_a_forgotten_one_goes(store: Store, tmp_path: Path) -> None:
    for name, age in ((blob_file("ab" * 32), 0.0), (blob_file("cd" * 32), 2 * 3600.0)):
        store.place.write(name, b"x")
        used = time.time() - age
        os.utime(tmp_path / "store" / name, (used, used))
    assert eviction.evict(store.place, 10**9).blobs == (blob_file("cd" * 32),)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sets(st.integers(0, 9), max_size=4), st.booleans()), max_size=12
    ),
    st.integers(0, 600),
)
def test_eviction_keeps_within_the_limit_and_leaves_nothing_incomplete(
    results: list[tuple[int, set[int], bool]], limit: int
) -> None:
    sizes = {number: 10 * (number + 1) for number in range(10)}
    names = {number: blob_file(f"{number:064x}") for number in sizes}
    actions: dict[str, tuple[Stored, Entry | None]] = {}
    for place, (used, blobs, sound) in enumerate(results):
        outputs = {str(number): Blob(sha256=f"{number:064x}", size=sizes[number]) for number in blobs}
        known = Entry(action="net:mlir", seconds=1.0, outputs=outputs) if sound else None
        actions[str(place)] = (Stored(name=str(place), size=5, used=NOW - used), known)
    held = Contents(
        actions, {names[number]: Stored(name=names[number], size=sizes[number], used=0.0) for number in sizes}
    )
    gone = eviction.eviction(held, limit, NOW)
    left = {name: known for name, (_, known) in actions.items() if name not in gone.actions}
    blobs_left = held.blobs.keys() - set(gone.blobs)
    assert None not in left.values()
    wanted = {blob_file(blob.sha256) for known in left.values() if known for blob in known.outputs.values()}
    assert blobs_left == wanted
    size = sum(held.blobs[name].size for name in blobs_left) + 5 * len(left)
    assert size <= limit
    assert gone.bytes == held.size - size
    # Nothing that stays was wanted earlier than something sound that goes.
    ages = [actions[name][0].used for name in gone.actions if actions[name][1]]
    if ages and left:
        assert min(actions[name][0].used for name in left) >= max(ages)
