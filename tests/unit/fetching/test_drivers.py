"""fsspec's drivers: a real one for files in memory, registered as one for another machine."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cvimake.fetching import drivers
from cvimake.fetching.faults import FetchError
from cvimake.fetching.network import Patience
from cvimake.fetching.transfer import Wanted, Watch, transfer

CONTENT = bytes(range(256)) * 10
WANTED = Wanted(server="s3://bucket", sha256=hashlib.sha256(CONTENT).hexdigest(), size=None)


class Remote(MemoryFileSystem):  # type: ignore[misc] # fsspec has no type information
    protocol = "s3"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's
    pseudo_dirs = [""]  # noqa: RUF012 - as above


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # The package has a mapping of the same name.
    monkeypatch.setitem(importlib.import_module("fsspec.registry")._registry, "s3", Remote)
    Remote.store.clear()
    Remote().pipe_file("s3://bucket/a", CONTENT)
    yield
    Remote.clear_instance_cache()


def get(part: Path, url: str = "s3://bucket/a") -> bytes:
    transfer(functools.partial(drivers.ask, url), part, WANTED, Watch(), Patience(pauses=()))
    return part.read_bytes()


def test_a_file_is_read_through_a_driver_and_resumed(tmp_path: Path) -> None:
    assert get(tmp_path / "part") == CONTENT
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    with drivers.ask("s3://bucket/a", 1000) as reply:
        assert (reply.start, reply.whole) == (1000, len(CONTENT))
        assert b"".join(reply.pieces) == CONTENT[1000:]
    assert get(tmp_path / "part") == CONTENT


def test_a_driver_that_cannot_go_to_an_offset_sends_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_seek", lambda _file, _offset: False)
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    assert get(tmp_path / "part") == CONTENT


def test_the_failure_of_a_driver_is_told(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="the driver for s3://bucket failed: FileNotFoundError") as caught:
        get(tmp_path / "part", "s3://bucket/b")
    assert caught.value.id == "fetch-driver-failed"
    assert not (tmp_path / "part").exists()


def test_a_driver_that_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="there is no driver for gs://bucket: ") as caught:
        get(tmp_path / "part", "gs://bucket/b")
    assert caught.value.id == "fetch-driver"
