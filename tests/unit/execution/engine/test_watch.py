from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from cvimake.core.action import Limits
from cvimake.execution.engine.watch import Usage, deleted, of_container, of_folder, watched

LIMITS = Limits(workspace=100_000, files=10)
ENOUGH = Usage(size=100_000, files=10)


@pytest.mark.parametrize("usage", [Usage(size=100_001), Usage(files=11)])
def test_a_command_is_ended_when_its_files_take_too_much(usage: Usage) -> None:
    looks, ended = iter([ENOUGH, usage]), threading.Event()
    with watched(LIMITS, lambda: next(looks), ended.set, 0.01) as watch:
        assert ended.wait(5)
    assert watch.overfull


def test_a_command_is_left_alone_as_long_as_they_do_not() -> None:
    looked = threading.Semaphore(0)

    def look() -> Usage:
        looked.release()
        return ENOUGH

    with watched(LIMITS, look, pytest.fail, 0.01) as watch:
        for _ in range(5):
            assert looked.acquire(timeout=5)
    assert not watch.overfull


def test_a_command_whose_files_cannot_be_looked_at_is_ended_after_a_while() -> None:
    ended = threading.Event()
    with watched(LIMITS, lambda: None, ended.set, 0.001) as watch:
        assert ended.wait(5)
    assert watch.overfull


def test_a_command_is_ended_when_its_time_is_over() -> None:
    ended = threading.Event()
    with watched(Limits(seconds=0.01), lambda: ENOUGH, ended.set) as watch:
        assert ended.wait(5)
    assert watch.timed_out
    assert not watch.overfull


def test_files_and_folders_are_counted_and_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(50_000))
    (tmp_path / "two").hardlink_to(tmp_path / "a" / "one")
    (tmp_path / "link").symlink_to("/")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    usage = of_folder(tmp_path, LIMITS)
    assert usage.files == 5
    assert 50_000 <= usage.size < 80_000
    assert not usage.exceeds(LIMITS)


def test_counting_ends_with_the_limits(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").touch()
    assert of_folder(tmp_path, LIMITS).files == 11
    assert of_folder(tmp_path, Limits()).files == 40


def test_folders_nested_too_deep_count_as_too_many_files(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("long" * 50, dir_fd=folder)
        inner = os.open("long" * 50, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    limits = Limits(files=1000)
    assert of_folder(tmp_path, limits).exceeds(limits)


def test_a_deleted_file_takes_its_room_as_long_as_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(bytes(100_000))
        file.flush()
        device = path.stat().st_dev
        before = deleted(iter([os.getpid()]), device)
        path.unlink()
        assert deleted(iter([os.getpid()]), device) >= before + 100_000
    assert deleted(iter([os.getpid()]), device) == before


def test_the_processes_of_this_machine_are_no_containers() -> None:
    assert list(of_container(os.getpid())) == []
    assert list(of_container(0)) == []
