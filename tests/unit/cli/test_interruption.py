from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cvimake.cli.interruption import ends_cleanly


def test_without_an_interruption_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with ends_cleanly("interrupted"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_program_with_its_code_after_every_finally(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    cleaned = False

    def be_interrupted() -> None:
        nonlocal cleaned
        try:
            os.kill(os.getpid(), number)
            threading.Event().wait(60)
        finally:
            cleaned = True

    with pytest.raises(SystemExit) as caught, ends_cleanly("interrupted; go on"):
        be_interrupted()
    assert cleaned
    assert caught.value.code == code
    assert capsys.readouterr().err == "cvimake: interrupted; go on\n"


def test_other_errors_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), ends_cleanly("interrupted"):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ZeroDivisionError])
def test_the_previous_sigterm_handler_is_restored(error: type[BaseException] | None) -> None:
    def mine(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with contextlib.suppress(SystemExit, ZeroDivisionError), ends_cleanly("interrupted"):
            if error:
                raise error
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ctrl_c_is_still_told_from_sigterm_within_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, ends_cleanly("outer"), ends_cleanly("inner"):
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert capsys.readouterr().err == "cvimake: inner\n"


def end_twice(first: signal.Signals, second: signal.Signals) -> bool:
    """Whether the second signal interrupted the clearing up after the first one."""
    try:
        signal.raise_signal(first)
    finally:
        interrupted = False
        try:
            signal.raise_signal(second)
        except KeyboardInterrupt:
            interrupted = True
        INTERRUPTED.append(interrupted)
    return interrupted


INTERRUPTED: list[bool] = []


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A test run in the background inherits an ignored Ctrl-C, one under nohup an ignored SIGHUP."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hang_up)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_impatient_second_signal_does_not_disturb_the_clearing_up(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as caught, ends_cleanly("interrupted"):
        end_twice(number, signal.SIGINT)
    assert INTERRUPTED.pop() is False
    assert caught.value.code == 128 + number


@pytest.mark.usefixtures("interruptible")
def test_a_late_second_signal_stops_the_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvimake.cli.interruption.DEAF_SECONDS", 0.0)
    with pytest.raises(SystemExit), ends_cleanly("interrupted"):
        end_twice(signal.SIGTERM, signal.SIGINT)
    assert INTERRUPTED.pop() is True


_FROZEN = """
import concurrent.futures, threading
from cvimake.cli import interruption
interruption.DEAF_SECONDS = 0.5
with interruption.ends_cleanly("interrupted"), concurrent.futures.ThreadPoolExecutor() as pool:
    pool.submit(threading.Event().wait)
    print("frozen", flush=True)
    threading.Event().wait()
"""


@pytest.mark.usefixtures("interruptible")
def test_a_second_signal_leaves_a_thread_that_never_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FROZEN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "frozen\n"
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "leaving at once; the next ./doit removes the containers that are left" in said


def test_signals_that_the_caller_ignores_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_cleanly("interrupted"):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def lose_the_terminal() -> None:
    try:
        signal.raise_signal(signal.SIGHUP)
    finally:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.usefixtures("interruptible")
def test_a_terminal_that_is_gone_does_not_hide_how_it_ended() -> None:
    with pytest.raises(SystemExit) as caught, ends_cleanly("interrupted"):
        lose_the_terminal()
    assert caught.value.code == 129
