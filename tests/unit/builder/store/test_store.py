from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from cvimake.builder import store
from cvimake.builder.store import Blob, Entry, Store, action_file, blob_file
from cvimake.builder.store.folder import FolderPlace
from cvimake.builder.store.place import Beat, StoreError

KEY = "ab" * 32


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def kept(folder: Path, tmp_path: Path) -> Store:
    """A store that holds one result: two outputs, `table` and `log`."""
    found = Store(FolderPlace(folder), "here")
    found.keep(KEY, entry(), outputs(tmp_path))
    return found


def entry() -> Entry:
    held = {"table": b"# a table", "log": b"a log"}
    blobs = {name: Blob(sha256=sha256(content), size=len(content)) for name, content in held.items()}
    return Entry(action="net:calibration", seconds=60.0, outputs=blobs)


def outputs(tmp_path: Path) -> dict[str, Path]:
    files = {"table": tmp_path / "net_table", "log": tmp_path / "net_log"}
    files["table"].write_bytes(b"# a table")
    files["log"].write_bytes(b"a log")
    return files


def restored(kept: Store, tmp_path: Path) -> bool:
    found = kept.find(KEY)
    assert found is not None
    targets = {name: tmp_path / f"restored_{name}" for name in found.outputs}
    return kept.restore(KEY, found, targets, lambda: None)


def test_an_entry_is_found_and_restored(kept: Store, tmp_path: Path) -> None:
    assert kept.find(KEY) == entry()
    assert restored(kept, tmp_path)
    assert (tmp_path / "restored_table").read_bytes() == b"# a table"
    assert (tmp_path / "restored_log").read_bytes() == b"a log"


def test_a_missing_entry_is_not_found(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept.find("cd" * 32) is None
    assert capsys.readouterr().err == ""


def test_an_edit_of_what_was_kept_or_restored_leaves_the_store_as_it_is(kept: Store, tmp_path: Path) -> None:
    assert restored(kept, tmp_path)
    for name in ("net_table", "restored_table"):
        with (tmp_path / name).open("r+b") as file:
            file.write(b"EDITED")
    assert restored(kept, tmp_path)
    assert (tmp_path / "restored_table").read_bytes() == b"# a table"


@pytest.mark.parametrize("damage", [b"# A table", b"# a tabl", b"", b"# a table and more", None])
def test_a_damaged_blob_means_building_with_a_warning(
    kept: Store, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    blob = folder / blob_file(sha256(b"# a table"))
    if damage is None:
        blob.unlink()
    else:
        blob.write_bytes(damage)
    assert not restored(kept, tmp_path)
    assert "warning: the store here: blobs/" in capsys.readouterr().err
    # It is kept anew when it has been built.
    assert kept.find(KEY) is None
    kept.keep(KEY, entry(), outputs(tmp_path))
    assert restored(kept, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"action": "x", "seconds": 1, "outputs": {}, "more": 1}',
        '{"action": "x", "seconds": -1, "outputs": {}}', '{"action": "x", "seconds": 1e308, "outputs": {}}',
        '{"action": "x", "seconds": 1, "cores": 1e308, "outputs": {}}', "[" * 100_000,
        "{" + " " * 1024**2 + "}",
        '{"action": "x", "seconds": 1, "outputs": {"a": {"sha256": "' + "0" * 64 + '", "size": 1'
        + "0" * 400 + "}}}",
        '{"action": "x", "seconds": 1, "outputs": {"a": {"sha256": "../../etc/passwd", "size": 1}}}',
        "\udcff",
    ],
)  # fmt: skip
def test_a_damaged_entry_is_as_none_with_a_warning(
    kept: Store, folder: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (folder / action_file(KEY)).write_bytes(text.encode("utf-8", errors="surrogateescape"))
    assert kept.find(KEY) is None
    assert "building instead" in capsys.readouterr().err
    assert not (folder / action_file(KEY)).exists()


def test_an_entry_with_other_outputs_is_not_restored(
    kept: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not kept.restore(KEY, entry(), {"table": tmp_path / "t"}, lambda: None)
    assert "has other outputs" in capsys.readouterr().err


def test_edited_outputs_are_not_stored(folder: Path, tmp_path: Path) -> None:
    files = outputs(tmp_path)
    files["table"].write_bytes(b"# A table")
    empty = Store(FolderPlace(folder), "here")
    empty.keep(KEY, entry(), files)
    assert empty.find(KEY) is None


def test_removed_outputs_are_not_stored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = outputs(tmp_path)
    files["log"].unlink()
    empty = Store(FolderPlace(folder), "here")
    empty.keep(KEY, entry(), files)
    assert empty.find(KEY) is None
    assert capsys.readouterr().err == ""


def test_a_read_only_store_gives_and_takes_nothing(kept: Store, folder: Path, tmp_path: Path) -> None:
    before = sorted(folder.rglob("*"))
    read_only = Store(kept.place, "here", read_only=True)
    assert restored(read_only, tmp_path)
    read_only.keep("cd" * 32, entry(), outputs(tmp_path))
    (folder / blob_file(sha256(b"a log"))).write_bytes(b"A log")
    assert not restored(read_only, tmp_path)
    assert sorted(folder.rglob("*")) == before


class Unreachable(FolderPlace):
    """A place that does not answer."""

    asked = 0

    def read(self, name: str, most: int) -> bytes:
        del name, most
        Unreachable.asked += 1
        raise StoreError("no route to host")


def test_a_store_that_is_not_reached_is_left_alone_and_said_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Unreachable.asked = 0
    unreachable = Store(Unreachable(folder), "s3://bucket")
    assert [unreachable.find(KEY) for _ in range(3)] == [None] * 3
    unreachable.keep(KEY, entry(), outputs(tmp_path))
    assert Unreachable.asked == 1
    assert not folder.exists()
    message = "cvimake: warning: the store s3://bucket is left alone in this build: no route to host\n"
    assert capsys.readouterr().err == message


def test_a_store_without_room_fails_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store.folder, "LEAST_FREE", 2**60)
    full = Store(FolderPlace(folder), "here")
    full.keep(KEY, entry(), outputs(tmp_path))
    assert "is left alone in this build: less than" in capsys.readouterr().err
    assert not full.takes_results


class Dripping(FolderPlace):
    """A place that sends a byte again and again, and never ends."""

    def read(self, name: str, most: int) -> bytes:
        time.sleep(5.0)
        return super().read(name, most)

    def fetch(self, name: str, target: Path, beat: Beat, most: int) -> None:
        del name, target, most
        while True:
            time.sleep(0.02)
            beat()


def test_a_place_that_drips_is_left_alone_in_the_end(
    kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "LONGEST_TRANSFER", 0.5)
    monkeypatch.setattr(store, "LONGEST_LOOK_UP", 0.5)
    dripping = Store(Dripping(tmp_path / "store"), "here")
    assert not restored_from(dripping, kept, tmp_path)
    assert "the store here is left alone in this build: not done within 0.5 s" in capsys.readouterr().err
    assert Store(Dripping(tmp_path / "store"), "here").find(KEY) is None


def restored_from(other: Store, kept: Store, tmp_path: Path) -> bool:
    found = kept.find(KEY)
    assert found is not None
    return other.restore(KEY, found, {name: tmp_path / name for name in found.outputs}, lambda: None)


@pytest.mark.parametrize("kind", ["pipe", "endless", "larger"])
def test_a_blob_that_is_no_honest_file_means_building(
    kept: Store, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    blob = folder / blob_file(sha256(b"# a table"))
    blob.unlink()
    if kind == "pipe":
        os.mkfifo(blob)
    elif kind == "endless":
        blob.symlink_to("/dev/zero")
    else:
        with blob.open("wb") as file:
            file.truncate(2**40)
    assert not restored(kept, tmp_path)
    assert "building instead" in capsys.readouterr().err
    kept.keep(KEY, entry(), outputs(tmp_path))
    assert restored(kept, tmp_path)


def test_a_store_full_of_damage_is_left_alone(
    kept: Store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(store.MOST_DAMAGED + 5):
        kept.keep(KEY, entry(), {})
        (folder / action_file(KEY)).write_text("{", encoding="utf-8")
        kept.find(KEY)
    said = capsys.readouterr().err
    assert said.count("building instead") == store.MOST_DAMAGED
    assert said.count("is left alone in this build") == 1


def test_a_full_disk_of_the_project_is_not_blamed_on_the_store(
    kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(FolderPlace, "fetch", full)
        assert not restored(kept, tmp_path)
    said = capsys.readouterr().err
    assert f"the disk of {tmp_path} is full" in said
    assert "left alone" not in said
    assert restored(kept, tmp_path)
