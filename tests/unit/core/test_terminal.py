from __future__ import annotations

import io

import pytest
from rich.console import Console

from cvimake.core import announce, terminal

STEERING = "\x1b[2Jcleared\x07\x9b1m\r\u202eturned"
OBEYED = "\x1b\x07\x9b\r\u202e"


def test_a_line_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.line(STEERING)
    terminal.write(STEERING)
    printed = capsys.readouterr().out
    assert "cleared" in printed
    assert not any(character in printed for character in OBEYED)


def test_a_complaint_and_a_note_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.complain(STEERING)
    announce.note(STEERING)
    with announce.step(STEERING) as show:
        show(STEERING)
    printed = capsys.readouterr().err
    assert printed.count("cleared") == 3
    assert not any(character in printed for character in OBEYED)


def test_a_cell_of_a_table_is_shown_as_it_is_without_markup_and_steering() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=False, width=80).print(terminal.styled(f"[red]{STEERING}", style="bold"))
    assert out.getvalue().startswith("[red]")
    assert not any(character in out.getvalue() for character in OBEYED)


def test_a_text_goes_to_the_stream_that_is_given() -> None:
    out = io.StringIO()
    terminal.write("a\x1bb", out)
    assert out.getvalue() == "a\N{REPLACEMENT CHARACTER}b"
