from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from stores import keep

from cvimake.builder.store import Store, action_file, blob_file, verification
from cvimake.builder.store.folder import FolderPlace


def test_verify_finds_every_kind_of_damage(store: Store, tmp_path: Path) -> None:
    for key in ("aa", "bb", "cc", "dd"):
        keep(store, tmp_path, key, key.encode() * 100)
    blobs = {key: blob_file(hashlib.sha256(key.encode() * 100).hexdigest()) for key in ("aa", "bb")}
    with (tmp_path / "store" / blobs["aa"]).open("r+b") as file:
        file.write(b"X")
    (tmp_path / "store" / blobs["bb"]).unlink()
    (tmp_path / "store" / action_file("cc")).write_text("{", encoding="utf-8")
    seen: list[tuple[int, int]] = []
    held, faults = verification.verify(store.place, lambda done, whole: seen.append((done, whole)))
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
    held, faults = verification.verify(store.place)
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
    _held, faults = verification.verify(store.place, lambda done, whole: seen.append((done, whole)))
    assert (faults.damaged, faults.incomplete) == ([blob], [action_file("aa")])
    assert not seen
