from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cvimake.project import labels_cache

OLD = time.time_ns() - 10**10


class Reader:
    """Counts how often it reads a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def __call__(self) -> bytes:
        self.count += 1
        return self.path.read_bytes()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The time of change of a file cannot be set, so the clock is put forward.
    later = time.time_ns() + 10**10
    monkeypatch.setattr("cvimake.project.labels_cache.time.time_ns", lambda: later)
    path = tmp_path / "labels.json"
    path.write_bytes(b"one")
    return path


def read(source: Path, reader: Reader, purpose: object = "detect") -> bytes:
    return labels_cache.kept(source.parent, "street", purpose, [source], reader)


def test_labels_are_read_once(source: Path) -> None:
    reader = Reader(source)
    assert [read(source, reader), read(source, reader)] == [b"one", b"one"]
    assert reader.count == 1


def test_a_changed_file_is_read_again(source: Path) -> None:
    reader = Reader(source)
    read(source, reader)
    source.write_bytes(b"two")
    os.utime(source, ns=(OLD, OLD))
    assert read(source, reader) == b"two"


def test_another_purpose_is_read_again(source: Path) -> None:
    reader = Reader(source)
    read(source, reader)
    read(source, reader, "segment")
    assert reader.count == 2


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text + b"x", lambda _: b""])
def test_damaged_labels_are_read_again(source: Path, damage: object) -> None:
    reader = Reader(source)
    read(source, reader)
    (kept,) = (source.parent / "build/.labels").iterdir()
    assert callable(damage)
    kept.write_bytes(damage(kept.read_bytes()))
    assert read(source, reader) == b"one"
    assert reader.count == 2


def test_a_file_that_was_just_written_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(b"one")
    reader = Reader(path)
    read(path, reader)
    read(path, reader)
    assert reader.count == 2


def test_a_folder_that_cannot_be_written_is_no_error(source: Path) -> None:
    (source.parent / "build").write_text("in the way", encoding="utf-8")
    assert read(source, Reader(source)) == b"one"
