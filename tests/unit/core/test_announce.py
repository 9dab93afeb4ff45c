from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from cvimake.core import announce


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_is_one_line_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    with announce.step("pulling x"):
        pass
    assert re.fullmatch(r"cvimake: pulling x \.\.\. \d+\.\d s\n", capsys.readouterr().err)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_step_that_fails_is_one_line_that_says_so(
    capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    with pytest.raises(type(error)), announce.step("pulling x"):
        raise error
    assert capsys.readouterr().err == "cvimake: pulling x ... failed\n"


def test_a_step_is_announced_before_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with announce.step("pulling x"):
        assert capsys.readouterr().err == "cvimake: pulling x ... "


def test_details_are_not_written_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with announce.step("pulling x") as show:
        show("1 of 2 MB")
    assert "MB" not in capsys.readouterr().err


def test_on_a_terminal_a_step_ends_in_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with announce.step("pulling [x]") as show:
        show("1 of [2] MB")
    assert re.search(r"cvimake: pulling \[x\] \.\.\. \d+\.\d s\n$", terminal.getvalue())


def test_a_note_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    announce.note("interrupted")
    assert capsys.readouterr().err == "cvimake: interrupted\n"


def test_a_note_that_nobody_hears_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    announce.note("a stage's warning")
    with Path("/dev/full").open("w", encoding="utf-8", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        announce.note("a stage's warning")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def test_where_there_is_no_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert announce.confirm("Install?")


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("\n", True), ("y\n", True), (" YES \n", True), ("n\n", False), ("what\n", False)],
)
def test_on_a_terminal_the_answer_counts(
    monkeypatch: pytest.MonkeyPatch, answer: str, *, agreed: bool
) -> None:
    asked = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", asked)
    assert announce.confirm("Install?") is agreed
    assert asked.getvalue() == "cvimake: Install? [Y/n] "


def test_the_counter_of_a_step_goes_on_while_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    counter = announce.Counter("cvimake: building the image ... ")
    assert str(counter.__rich__()) == "cvimake: building the image ... 0 s"
    counter.show("Step 3/9\x1b")
    now[0] += 42
    assert (
        str(counter.__rich__()) == "cvimake: building the image ... 42 s, Step 3/9\N{REPLACEMENT CHARACTER}"
    )
