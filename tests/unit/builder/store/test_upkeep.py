from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.builder.store import Blob, Entry, Store, action_file, blob_file, upkeep
from cvimake.builder.store.folder import FolderPlace
from cvimake.builder.store.place import Stored
from cvimake.builder.store.upkeep import Contents

NOW = 1_000_000.0


def keep(store: Store, root: Path, key: str, *contents: bytes, age: float = 0.0) -> None:
    files: dict[str, Path] = {}
    blobs: dict[str, Blob] = {}
    for number, content in enumerate(contents):
        path = root / f"{key}_{number}"
        path.write_bytes(content)
        files[path.name] = path
        blobs[path.name] = Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    store.keep(key, Entry(action="net:mlir", seconds=1.0, outputs=blobs), files)
    used = time.time() - age
    os.utime(root / "store" / action_file(key), (used, used))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(FolderPlace(tmp_path / "store"), "here")


def test_the_least_recently_used_entry_is_removed_first(store: Store, tmp_path: Path) -> None:
    for key, age in (("aa", 30.0), ("bb", 10.0), ("cc", 20.0)):
        keep(store, tmp_path, key, key.encode() * 5000, age=age)
    gone = upkeep.evict(store.place, 21_000)
    assert gone.actions == (action_file("aa"),)
    assert upkeep.contents(store.place).actions.keys() == {action_file("bb"), action_file("cc")}
    assert upkeep.contents(store.place).size <= 21_000


def test_files_that_a_newer_entry_shares_stay(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path, "aa", b"shared" * 1000, b"own" * 1000, age=10.0)
    keep(store, tmp_path, "bb", b"shared" * 1000)
    upkeep.evict(store.place, 7000)
    assert store.find("aa") is None
    found = store.find("bb")
    assert found is not None
    assert store.restore("bb", found, dict.fromkeys(found.outputs, tmp_path / "out"), lambda: None)
    assert len(upkeep.contents(store.place).blobs) == 1


def test_a_limit_of_nothing_empties_it(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path, "aa", b"content")
    gone = upkeep.evict(store.place, 0)
    assert (len(gone.actions), len(gone.blobs)) == (1, 1)
    assert upkeep.contents(store.place) == Contents({}, {})


def test_a_blob_that_is_being_kept_stays_and_a_forgotten_one_goes(store: Store, tmp_path: Path) -> None:
    for name, age in ((blob_file("ab" * 32), 0.0), (blob_file("cd" * 32), 2 * 3600.0)):
        store.place.write(name, b"x")
        used = time.time() - age
        os.utime(tmp_path / "store" / name, (used, used))
    assert upkeep.evict(store.place, 10**9).blobs == (blob_file("cd" * 32),)


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
    gone = upkeep.eviction(held, limit, NOW)
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


def test_verify_finds_every_kind_of_damage(store: Store, tmp_path: Path) -> None:
    for key in ("aa", "bb", "cc", "dd"):
        keep(store, tmp_path, key, key.encode() * 100)
    blobs = {key: blob_file(hashlib.sha256(key.encode() * 100).hexdigest()) for key in ("aa", "bb")}
    with (tmp_path / "store" / blobs["aa"]).open("r+b") as file:
        file.write(b"X")
    (tmp_path / "store" / blobs["bb"]).unlink()
    (tmp_path / "store" / action_file("cc")).write_text("{", encoding="utf-8")
    seen: list[tuple[int, int]] = []
    held, faults = upkeep.verify(store.place, lambda done, whole: seen.append((done, whole)))
    assert len(held.actions) == 4
    assert faults.damaged == [blobs["aa"], action_file("cc")]
    assert sorted(faults.incomplete) == [action_file("aa"), action_file("bb")]
    assert seen[-1] == (600, 600)


def test_pipes_devices_and_lies_in_a_store_are_found_damaged(store: Store, tmp_path: Path) -> None:
    keep(store, tmp_path, "aa", b"good")
    folder = tmp_path / "store"
    sha256 = hashlib.sha256(b"x").hexdigest()
    (folder / blob_file(sha256)).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / blob_file(sha256))
    (folder / action_file("bb")).parent.mkdir()
    (folder / action_file("bb")).symlink_to("/dev/zero")
    held, faults = upkeep.verify(store.place)
    assert len(held.blobs) == 2
    assert sorted(faults.damaged) == sorted([blob_file(sha256), action_file("bb")])


def test_a_file_that_is_larger_than_its_result_says_is_damaged_without_being_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, tmp_path, "aa", b"content")
    blob = blob_file(hashlib.sha256(b"content").hexdigest())
    os.truncate(tmp_path / "store" / blob, 1 << 40)
    monkeypatch.setattr(FolderPlace, "sha256", lambda *_arguments: pytest.fail("it reads the file"))
    seen: list[tuple[int, int]] = []
    _held, faults = upkeep.verify(store.place, lambda done, whole: seen.append((done, whole)))
    assert (faults.damaged, faults.incomplete) == ([blob], [action_file("aa")])
    assert not seen
