from __future__ import annotations

import threading
import time

import pytest

from cvimake.builder.store.place import Beat, StoreError
from cvimake.builder.store.waiting import Patience


def test_work_has_its_result() -> None:
    assert Patience(5.0).wait(lambda _beat: 42) == 42


def test_work_has_its_error() -> None:
    def fail(_beat: Beat) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Patience(5.0).wait(fail)


def test_a_call_without_progress_is_given_up() -> None:
    forever = threading.Event()
    try:
        with pytest.raises(StoreError, match=r"no answer within 0\.3 s"):
            Patience(0.3).wait(lambda _beat: forever.wait())
    finally:
        forever.set()


def test_a_call_with_progress_is_waited_for() -> None:
    def work(beat: Beat) -> str:
        for _ in range(8):
            time.sleep(0.25)
            beat()
        return "done"

    assert Patience(1.5).wait(work) == "done"


def test_an_endless_call_is_given_up_despite_progress() -> None:
    def work(beat: Beat) -> None:
        while True:
            time.sleep(0.02)
            beat()

    with pytest.raises(StoreError, match=r"not done within 0\.3 s"):
        Patience(5.0).wait(work, longest=0.3)


def test_an_abandoned_call_stops_at_its_next_progress() -> None:
    ended = threading.Event()

    def work(beat: Beat) -> None:
        time.sleep(0.8)
        try:
            beat()
        except StoreError:
            ended.set()
            raise

    with pytest.raises(StoreError):
        Patience(0.2).wait(work)
    assert ended.wait(60.0)


def test_the_end_gives_up_what_goes_on_and_what_comes() -> None:
    patience, forever = Patience(60.0), threading.Event()
    threading.Timer(0.2, patience.end).start()
    try:
        with pytest.raises(StoreError):
            patience.wait(lambda _beat: forever.wait())
        with pytest.raises(StoreError, match="given up"):
            patience.wait(lambda _beat: None)
    finally:
        forever.set()


def test_work_finds_the_thread_of_earlier_work_but_not_one_that_hangs() -> None:
    patience, forever = Patience(0.3), threading.Event()
    try:
        threads = [patience.wait(lambda _beat: threading.current_thread()) for _ in range(3)]
        assert len(set(threads)) == 1
        hanging: list[threading.Thread] = []

        def hang(_beat: Beat) -> None:
            hanging.append(threading.current_thread())
            forever.wait()

        with pytest.raises(StoreError):
            patience.wait(hang)
        assert patience.wait(lambda _beat: threading.current_thread()) not in hanging
    finally:
        forever.set()
