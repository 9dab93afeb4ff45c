from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cvimake.builder.store import Blob, Entry
from cvimake.cluster.shards import Shard, all_at_once, computed, has_all, shared_out
from cvimake.core.action import Action, FileKind, Folder, Input, Output, Shared
from cvimake.core.key import action_key

IMAGES = Folder(target="/images", files={f"{n}.jpg": Path(f"{n}.jpg") for n in range(10)})
OTHER = Folder(target="/packages", files={"a.py": Path("a.py")})
GROUPS = tuple((f"{n}.jpg", f"{n + 1}.jpg") for n in range(0, 10, 2))


def action(files: tuple[tuple[str, ...], ...] = GROUPS) -> Action:
    return Action(
        name="net:int8_accuracy",
        argv=("python3", "-m", "evaluation"),
        environment={},
        inputs=(Input(name="net.mlir", path=Path("net.mlir")),),
        outputs=(Output(name="accuracy.json", path=Path("accuracy.json"), kind=FileKind.JSON),),
        folders=(IMAGES, OTHER),
        parts="/parts",
        shared=Shared(folder="/images", files=files),
    )


def entry(shard: Shard, seconds: float = 1.0, cores: int = 1) -> Entry:
    blobs = {
        file.name: Blob(sha256="a" * 64, size=number) for number, file in enumerate(shard.action.outputs)
    }
    return Entry(action="net:int8_accuracy", seconds=seconds, cores=cores, outputs=blobs)


@pytest.mark.parametrize(
    ("workers", "parts"),
    [
        (2, [range(2), range(2, 5)]),
        (3, [range(1), range(1, 3), range(3, 5)]),
        (5, [range(n, n + 1) for n in range(5)]),
        (64, [range(n, n + 1) for n in range(5)]),
    ],
)
def test_each_worker_gets_as_many_parts_as_the_others(workers: int, parts: list[range]) -> None:
    assert [shard.parts for shard in shared_out(action(), workers)] == parts


@pytest.mark.parametrize("workers", [0, 1])
def test_one_worker_shares_nothing_out(workers: int) -> None:
    assert shared_out(action(), workers) == []
    assert shared_out(action(GROUPS[:1]), 9) == []


def test_a_shard_has_no_more_files_than_a_store_takes() -> None:
    many = shared_out(action((("0.jpg",),) * 2001), 2)
    assert max(len(shard.parts) for shard in many) <= 1000
    assert [number for shard in many for number in shard.parts] == list(range(2001))


def test_a_shard_is_an_action_of_its_own_with_its_files_alone() -> None:
    first, second = shared_out(action(), 2)
    assert second.action.argv[-1] == "--only=2:5"
    assert [file.name for file in second.action.outputs] == ["2.json", "3.json", "4.json"]
    assert [list(folder.files) for folder in second.action.folders] == [
        ["4.jpg", "5.jpg", "6.jpg", "7.jpg", "8.jpg", "9.jpg"],
        ["a.py"],
    ]
    assert not second.action.parts
    keys = {action_key(each, "f", str) for each in (action(), first.action, second.action)}
    assert len(keys) == 3


def test_the_result_of_an_action_has_the_same_key_however_its_work_is_shared_out() -> None:
    assert action_key(action(), "f", str) == action_key(action(GROUPS[:2]), "f", str)


def test_the_parts_of_all_shards_are_put_together() -> None:
    first, second = shared_out(action(), 2)
    found = computed([(first, entry(first, 3.0), ["a"]), (second, entry(second, 5.0, 2), ["b", "a"])])
    assert list(found.parts) == ["0", "1", "2", "3", "4"]
    assert found.parts["4"] == Blob(sha256="a" * 64, size=2)
    assert found.spent == 13.0
    assert found.workers == ("a", "b")


def test_a_result_with_other_files_is_no_shards() -> None:
    first, second = shared_out(action(), 2)
    assert has_all(first, entry(first))
    assert not has_all(first, entry(second))


def test_shards_run_at_one_time_and_their_values_have_their_order() -> None:
    all_there = threading.Barrier(2)

    def run(place: int, shard: Shard, _goes_on: Callable[[], None]) -> tuple[int, range]:
        all_there.wait(60)
        return place, shard.parts

    assert all_at_once(shared_out(action(), 2), run) == [(0, range(2)), (1, range(2, 5))]


def test_if_a_shard_fails_the_others_are_given_up() -> None:
    def run(place: int, _shard: Shard, goes_on: Callable[[], None]) -> None:
        if place == 1:
            raise ValueError("it failed")
        while True:
            goes_on()

    with pytest.raises(ValueError, match="it failed"):
        all_at_once(shared_out(action(), 2), run)
