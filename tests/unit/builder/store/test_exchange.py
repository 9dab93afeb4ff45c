from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stores import blob_of

from cvimake.builder.store import Entry, Store, blob_file
from cvimake.builder.store.exchange import Exchange, MissingError, UnreachableError
from cvimake.builder.store.folder import FolderPlace
from cvimake.builder.store.place import StoreError
from cvimake.core.errors import CvimakeError

CONTENT = b"content"
BLOB = blob_of(CONTENT)
KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(FolderPlace(tmp_path / "store"), "the store")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_taken_as_it_was_put(store: Store, file: Path, tmp_path: Path) -> None:
    Exchange(store).put(file, BLOB)
    Exchange(store).take(BLOB, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == CONTENT


def test_it_is_known_which_files_and_entries_are_held(store: Store, file: Path) -> None:
    exchange = Exchange(store)
    assert not exchange.holds(BLOB)
    exchange.put(file, BLOB)
    assert exchange.holds(BLOB)
    exchange.keep(KEY, Entry(action="net:mlir", seconds=1.0, outputs={"net.mlir": BLOB}))
    exchange.drop(KEY)
    assert store.find(KEY) is None
    exchange.drop(KEY)
    assert exchange.holds(BLOB)


def test_the_entry_of_an_action_is_found(store: Store, file: Path) -> None:
    exchange = Exchange(store)
    exchange.put(file, BLOB)
    entry = Entry(action="net:mlir", seconds=1.0, outputs={"out": BLOB})
    exchange.keep(KEY, entry)
    assert store.find(KEY) == entry


def test_a_file_that_is_not_there_is_missing_until_it_is_put_again(
    store: Store, file: Path, tmp_path: Path
) -> None:
    exchange = Exchange(store)
    exchange.put(file, BLOB)
    exchange.remove(BLOB)
    with pytest.raises(MissingError) as raised:
        exchange.take(BLOB, tmp_path / "taken")
    assert raised.value.blob == BLOB
    exchange.put(file, BLOB)
    exchange.take(BLOB, tmp_path / "taken")


def test_a_damaged_file_is_removed_and_missing(store: Store, file: Path, tmp_path: Path) -> None:
    exchange = Exchange(store)
    exchange.put(file, BLOB)
    held = tmp_path / "store" / blob_file(BLOB.sha256)
    held.write_bytes(b"damaged")
    with pytest.raises(MissingError):
        exchange.take(BLOB, tmp_path / "taken")
    assert not held.exists()


def test_a_file_that_was_edited_meanwhile_is_not_put(store: Store, file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"another")
    with pytest.raises(CvimakeError, match="was edited while it was sent"):
        Exchange(store).put(file, BLOB)
    assert not (tmp_path / "store" / blob_file(BLOB.sha256)).exists()


@pytest.mark.parametrize(
    "work",
    [
        lambda exchange, path: exchange.put(path, BLOB),
        lambda exchange, path: exchange.take(BLOB, path),
        lambda exchange, _path: exchange.keep(KEY, Entry(action="a", seconds=1.0, outputs={})),
    ],
)
def test_a_store_that_refuses_is_named(work: Callable[[Exchange, Path], None], file: Path) -> None:
    class Refusing(FolderPlace):
        def refuse(self, *_arguments: object) -> None:
            raise StoreError("PermissionError: no")

        size = fetch = write = refuse  # type: ignore[assignment]

    with pytest.raises(UnreachableError, match="the store its label: PermissionError: no"):
        work(Exchange(Store(Refusing(Path("unused")), "its label")), file)
