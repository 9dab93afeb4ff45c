from __future__ import annotations

from pathlib import Path

import pytest
import stores

from cvimake.builder.store import Blob, Store, blob_file
from cvimake.builder.store.exchange import Exchange, MissingError
from cvimake.builder.store.folder import FolderPlace
from cvimake.cluster.cache import Cache


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.exchange = Exchange(Store(FolderPlace(root / "store"), "store"))
        self.cache = Cache(root / "cache", limit=10)

    def blob(self, content: bytes) -> Blob:
        return stores.put(self.exchange, self.root, content)

    def use(self, *blobs: Blob) -> None:
        with self.cache.holding(blobs, self.exchange):
            for blob in blobs:
                assert self.cache.path(blob).stat().st_size == blob.size

    def held(self) -> set[str]:
        return {path.name for path in (self.root / "cache").iterdir()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_file_is_taken_from_the_store_once(world: World) -> None:
    blob = world.blob(b"12345")
    world.use(blob)
    (world.root / "store" / blob_file(blob.sha256)).unlink()
    world.use(blob)
    # A worker that is started anew finds it too.
    world.cache = Cache(world.root / "cache", limit=10)
    world.use(blob)


def test_above_the_limit_the_files_that_were_unused_for_longest_go(world: World) -> None:
    first, second, third = world.blob(b"11111"), world.blob(b"22222"), world.blob(b"33333")
    world.use(first)
    world.use(second)
    world.use(first)
    world.use(third)
    assert world.held() == {first.sha256, third.sha256}


def test_files_that_an_action_needs_stay_above_the_limit(world: World) -> None:
    blobs = [world.blob(bytes([number]) * 5) for number in range(4)]
    with world.cache.holding(blobs[:2], world.exchange):
        world.use(*blobs[2:])
        assert {blob.sha256 for blob in blobs[:2]} <= world.held()


def test_half_a_file_of_a_killed_worker_is_removed(world: World) -> None:
    (world.root / "cache" / "abc.new").write_bytes(b"12")
    Cache(world.root / "cache", limit=10)
    assert world.held() == set()


def test_a_file_that_is_damaged_on_the_disk_is_taken_again(world: World) -> None:
    blob = world.blob(b"12345")
    world.use(blob)
    world.cache.path(blob).write_bytes(b"54321")
    world.cache.verify([blob])
    world.use(blob)
    assert world.cache.path(blob).read_bytes() == b"12345"


def test_a_file_that_the_store_has_lost_is_missing(world: World) -> None:
    blob = world.blob(b"12345")
    world.exchange.remove(blob)
    with pytest.raises(MissingError), world.cache.holding([blob], world.exchange):
        pass
    assert world.held() == set()
