from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cvimake.core.copying import clone

HELD = bytes(range(256)) * 1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(HELD)
    return tmp_path / "source"


def cloned(source: Path) -> bytes:
    target = source.with_name("target")
    target.write_bytes(b"what was there" * 100_000)
    with source.open("rb", buffering=0) as reading:
        clone(reading, target)
    return target.read_bytes()


def test_a_copy_has_every_byte(source: Path) -> None:
    assert cloned(source) == HELD


def nothing_is_there(_reading: int, _writing: int, _count: int) -> int:
    return 0


def other_file_system(_reading: int, _writing: int, _count: int) -> int:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def half_of_it(reading: int, writing: int, count: int) -> int:
    if os.lseek(reading, 0, os.SEEK_CUR):
        return 0
    return os.write(writing, os.read(reading, count // 2))


@pytest.mark.parametrize("copies", [nothing_is_there, other_file_system, half_of_it])
def test_where_the_kernel_cannot_copy_the_file_is_read(
    source: Path, monkeypatch: pytest.MonkeyPatch, copies: object
) -> None:
    monkeypatch.setattr(os, "copy_file_range", copies)
    assert cloned(source) == HELD


def test_a_full_disk_is_an_error(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_reading: int, _writing: int, _count: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="No space left"):
        cloned(source)
