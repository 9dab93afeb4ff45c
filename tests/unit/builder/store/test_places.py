"""What every kind of place has to do, and what only some do."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cvimake.builder.store import remote
from cvimake.builder.store.folder import FolderPlace
from cvimake.builder.store.place import DamagedError, Place, StoreError
from cvimake.builder.store.remote import RemotePlace


@pytest.fixture(params=["folder", "object store", "file server"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "folder":
        return FolderPlace(tmp_path / "store")
    if request.param == "object store":
        return RemotePlace(f"memory://{uuid.uuid4().hex}/store")
    # One that shows files while they are being written.
    monkeypatch.setattr(remote, "_OBJECT_STORES", frozenset[str]())
    return RemotePlace(f"file://{tmp_path}/store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content" * 1000)
    return path


def test_a_stored_file_is_fetched(place: Place, source: Path, tmp_path: Path) -> None:
    beats: list[None] = []
    place.keep("blobs/ab/cd", source, lambda: beats.append(None))
    place.fetch("blobs/ab/cd", tmp_path / "target", lambda: beats.append(None), 7000)
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert place.size("blobs/ab/cd") == 7000
    if isinstance(place, FolderPlace):
        assert beats


def test_a_file_is_replaced(place: Place) -> None:
    place.write("actions/x", b"old")
    place.write("actions/x", b"new")
    assert place.read("actions/x", 100) == b"new"


def test_the_sha256_of_a_file_is_that_of_its_contents(place: Place) -> None:
    place.write("x/y", b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert place.sha256("x/y", lambda: None, 3) == expected


def test_a_missing_file_is_not_found(place: Place, tmp_path: Path) -> None:
    assert place.size("blobs/none") is None
    with pytest.raises(FileNotFoundError):
        place.read("blobs/none", 100)
    with pytest.raises(FileNotFoundError):
        place.fetch("blobs/none", tmp_path / "target", lambda: None, 100)
    place.remove("blobs/none")
    assert list(place.files("blobs")) == []


def test_a_stored_file_that_has_grown_is_damaged_and_not_read(
    place: Place, source: Path, tmp_path: Path
) -> None:
    place.keep("blobs/x", source, lambda: None)
    with pytest.raises(DamagedError, match="6999"):
        place.read("blobs/x", 6999)
    with pytest.raises(DamagedError, match="6999"):
        place.fetch("blobs/x", tmp_path / "target", lambda: None, 6999)
    with pytest.raises(DamagedError, match="6999"):
        place.sha256("blobs/x", lambda: None, 6999)
    assert len(place.read("blobs/x", 7000)) == 7000


def test_a_pipe_or_a_device_in_a_folder_is_damage_and_is_not_waited_for(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "store")
    (tmp_path / "store").mkdir()
    os.mkfifo(tmp_path / "store/pipe")
    (tmp_path / "store/zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(DamagedError, match=f"{name} is not a plain file"):
            place.read(name, 100)
        with pytest.raises(DamagedError, match=f"{name} is not a plain file"):
            place.fetch(name, tmp_path / "target", lambda: None, 100)
        with pytest.raises(DamagedError, match=f"{name} is not a plain file"):
            place.sha256(name, lambda: None, 100)


def test_times_beyond_reason_in_a_listing_are_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    place = RemotePlace(f"memory://{uuid.uuid4().hex}/store")
    for time_of_it in (float("inf"), float("nan")):
        listed = {f"{place._root}/blobs/x": {"size": 1, "mtime": time_of_it}}
        monkeypatch.setattr(place._files, "find", lambda *_, found=listed, **__: found)
        assert [file.used for file in place.files("blobs")] == [0.0]
    for wrong in ({"size": None}, {"size": 10**400, "mtime": 10**400}):
        damaged = {f"{place._root}/blobs/x": wrong}
        monkeypatch.setattr(place._files, "find", lambda *_, found=damaged, **__: found)
        with pytest.raises(StoreError):
            list(place.files("blobs"))


def test_files_are_listed_with_their_sizes_and_removed(place: Place, source: Path) -> None:
    place.keep("blobs/ab/cd", source, lambda: None)
    place.write("blobs/ef/gh", b"12")
    place.write("actions/x", b"elsewhere")
    assert {(file.name, file.size) for file in place.files("blobs")} == {
        ("blobs/ab/cd", 7000),
        ("blobs/ef/gh", 2),
    }
    place.remove("blobs/ab/cd")
    assert [file.name for file in place.files("blobs")] == ["blobs/ef/gh"]


def test_a_listing_says_when_a_file_was_written(place: Place) -> None:
    place.write("blobs/x", b"1")
    (file,) = place.files("blobs")
    assert abs(file.used - time.time()) < 60


def test_a_transfer_that_is_given_up_leaves_nothing(tmp_path: Path, source: Path) -> None:
    def give_up() -> None:
        raise StoreError("given up")

    with pytest.raises(StoreError):
        FolderPlace(tmp_path / "store").keep("blobs/x", source, give_up)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_fetched_file_counts_as_used_in_a_folder(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path)
    place.write("actions/x", b"1")
    os.utime(tmp_path / "actions/x", (0, 0))
    place.touch("actions/x")
    (file,) = place.files("actions")
    assert file.used > time.time() - 60
    place.touch("actions/none")


def test_a_folder_forgets_what_nobody_finished(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path)
    (tmp_path / "unfinished").mkdir()
    for name, age in (("old", 2 * 24 * 3600), ("new", 60)):
        path = tmp_path / "unfinished" / name
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    place.sweep()
    assert [path.name for path in (tmp_path / "unfinished").iterdir()] == ["new"]


def test_files_of_a_folder_can_be_read_by_those_who_share_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        FolderPlace(tmp_path).write("actions/x", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "actions/x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("url", ["nonsense://x", "gs://bucket/x"])
def test_a_place_without_a_driver_is_said(url: str) -> None:
    with pytest.raises(StoreError, match=r"ValueError|ImportError"):
        RemotePlace(url)


class _Buckets(MemoryFileSystem):  # type: ignore[misc] # fsspec has no type information
    """An object store whose files are all in one bucket, `team`."""

    protocol = "s3"
    cachable = False

    def info(self, path: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - fsspec's signature
        if path == "team":
            return {"name": path, "size": 0, "type": "directory"}
        return super().info(path, **others)  # type: ignore[no-any-return]


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url: (_Buckets(), url.removeprefix("s3://")))


@pytest.mark.usefixtures("buckets")
def test_a_missing_bucket_is_no_missing_file(source: Path, tmp_path: Path) -> None:
    # In a bucket that is there, a file can be missing.
    assert RemotePlace("s3://team/store").size("actions/x") is None
    uses: list[Callable[[Place], object]] = [
        lambda place: place.size("actions/x"),
        lambda place: place.read("actions/x", 9),
        lambda place: place.fetch("blobs/x", tmp_path / "target", lambda: None, 9),
        lambda place: place.write("actions/x", b""),
        lambda place: place.keep("blobs/x", source, lambda: None),
        lambda place: place.remove("actions/x"),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="no bucket 'taem'"):
            use(RemotePlace("s3://taem/store"))
