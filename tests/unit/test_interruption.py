from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from cvimake.interruption import ends_cleanly


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
            threading.Event().wait(5)
        finally:
            cleaned = True

    with pytest.raises(SystemExit) as caught, ends_cleanly("interrupted; go on"):
        be_interrupted()
    assert cleaned
    assert caught.value.code == code
    assert capsys.readouterr().err == "cvimake: interrupted; go on\n"


def test_other_errors_go_through(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), ends_cleanly("interrupted"):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ZeroDivisionError])
def test_what_was_done_on_sigterm_before_is_done_again_after(error: type[BaseException] | None) -> None:
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
