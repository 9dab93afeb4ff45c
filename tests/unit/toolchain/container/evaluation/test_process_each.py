from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection

import pytest

from cvimake.toolchain.container.evaluation.process_each import Begin, each, each_group, one_by_one, value_of


@pytest.mark.parametrize("processes", [0, 1, 2, 7])
def test_values_come_in_the_order_of_the_items_for_any_number_of_processes(processes: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.1 if item == 0 else 0)
        return item * item

    assert list(each(range(9), slow_at_first, processes)) == [item * item for item in range(9)]


def test_a_call_does_not_see_what_another_call_left_in_memory() -> None:
    left: list[int] = []

    def remember(item: int) -> list[int]:
        left.append(item)
        return list(left)

    assert list(each([1, 2, 3], remember, 2)) == [[1], [2], [3]]


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_the_items_of_a_group_are_computed_in_one_process_and_other_groups_in_others(processes: int) -> None:
    left: list[int] = []

    def remember(item: int) -> list[int]:
        left.append(item)
        return list(left)

    found = dict(each_group({7: [1, 2], 3: [4], 5: [6, 8, 9]}, one_by_one(remember), lambda: processes))
    assert found == {7: [[1], [1, 2]], 3: [[4]], 5: [[6], [6, 8], [6, 8, 9]]}


def test_a_group_that_has_ended_is_there_before_the_others_have() -> None:
    reading, writing = os.pipe()
    groups = each_group({0: [0], 1: [1]}, one_by_one(lambda item: os.read(reading, item)), lambda: 2)
    assert next(groups) == (0, [b""])
    os.write(writing, b"x")
    assert list(groups) == [(1, [b"x"])]


def test_each_item_that_has_ended_is_told_before_its_group_ends() -> None:
    told: list[int] = []
    assert list(each_group({0: [1, 2, 3]}, one_by_one(str), lambda: 1, ended=told.append)) == [
        (0, ["1", "2", "3"])
    ]
    assert told == [1, 1, 1]


def test_several_values_can_be_handed_over_together() -> None:
    def in_two_parts(items: Sequence[int], begin: Begin) -> Iterator[list[str]]:
        begin(0)
        yield [str(item) for item in items[:2]]
        yield [str(item) for item in items[2:]]

    told: list[int] = []
    assert list(each_group({4: [1, 2, 3]}, in_two_parts, lambda: 1, ended=told.append)) == [
        (4, ["1", "2", "3"])
    ]
    assert told == [2, 1]


def test_a_process_that_dies_in_a_group_is_told_with_the_item_that_it_died_at() -> None:
    def die(item: str) -> None:
        if item == "bad":
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SystemExit, match="bad: the process that computed it was killed by signal 9"):
        list(each_group({0: ["good", "bad", "later"]}, one_by_one(die), lambda: 1))


def test_the_item_that_was_begun_is_named_although_no_value_of_its_group_was_sent() -> None:
    def all_at_once(items: Sequence[str], begin: Begin) -> list[list[str]]:
        begin(0)
        begin(2)
        if items[2] == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError

    with pytest.raises(SystemExit, match="bad: the process that computed it was killed by signal 9"):
        list(each_group({0: ["good", "fine", "bad"]}, all_at_once, lambda: 1))
    with pytest.raises(SystemExit, match=r"(?s)ValueError.*odd: it could not be computed"):
        list(each_group({0: ["good", "fine", "odd"]}, all_at_once, lambda: 1))


def test_an_error_in_a_group_names_the_item() -> None:
    with pytest.raises(SystemExit, match=r"(?s)could not convert.*x: it could not be computed"):
        list(each_group({0: ["1", "x", "2"]}, one_by_one(float), lambda: 1))


def test_an_error_of_a_call_names_the_item() -> None:
    def fail(item: str) -> None:
        raise ValueError(f"no {item}")

    with pytest.raises(SystemExit, match=r"(?s)ValueError: no cat.*cat: it could not be computed"):
        list(each(["cat"], fail, 1))


def test_a_killed_process_is_told_with_its_item() -> None:
    def die(item: str) -> None:
        if item == "bad":
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SystemExit, match="bad: the process that computed it was killed by signal 9"):
        list(each(["good", "bad", "good"], die, 2))


def test_a_large_value_does_not_block() -> None:
    values = each([1, 2], lambda item: b"x" * item * 10**7, 2)
    assert [len(value) for value in values] == [10**7, 2 * 10**7]


def test_printing_of_a_call_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    list(each([b"noise"], lambda item: os.write(1, item), 1))
    assert not capfd.readouterr().out


def _begin_to_send_and_die(pipe: Connection) -> None:
    # A length of 100 bytes, as multiprocessing writes it, and only one of them.
    os.write(pipe.fileno(), struct.pack("!i", 100) + b"x")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_while_it_sends_is_told_with_its_item() -> None:
    ours, theirs = Pipe(duplex=False)
    process = get_context("fork").Process(target=_begin_to_send_and_die, args=(theirs,))
    process.start()
    theirs.close()
    with pytest.raises(SystemExit, match="cut: the process that computed it was killed by signal 9"):
        value_of(lambda: "cut", ours, process)


def test_further_processes_begin_while_others_run() -> None:
    reading, writing = os.pipe()
    allowed = [1, 1, 2]

    def compute(item: str) -> str:
        # The second item of the first group waits for the second group.
        if item == "waits":
            return os.read(reading, 1).decode()
        if item == "tells":
            os.write(writing, b"x")
        return item

    groups = {0: ["first", "waits"], 1: ["tells"]}
    found = dict(each_group(groups, one_by_one(compute), lambda: allowed.pop(0) if len(allowed) > 1 else 2))
    assert found == {0: ["first", "x"], 1: ["tells"]}
