from __future__ import annotations

import pytest

from cvimake.core.errors import (
    CvimakeError,
    DeclarationError,
    EngineError,
    ImageError,
    StepFailedError,
    harmless,
)


def test_an_error_says_what_is_wrong_and_then_every_line_of_its_remedy() -> None:
    assert (
        str(CvimakeError("no engine", "start it\nor install it")) == "no engine\n  start it\n  or install it"
    )


def test_an_error_without_a_remedy_is_one_line() -> None:
    assert str(CvimakeError("no engine")) == "no engine"


def test_a_failed_step_exits_with_1() -> None:
    assert StepFailedError("x").exit_code == 1


@pytest.mark.parametrize("kind", [CvimakeError, DeclarationError, EngineError, ImageError])
def test_what_is_wrong_around_the_steps_exits_with_2(kind: type[CvimakeError]) -> None:
    assert kind("x").exit_code == 2


@pytest.mark.parametrize("text", ["\x1b[31mred", "bell\x07", "\x9b2J", "back\rover", "\u202eturned"])
def test_nothing_from_elsewhere_steers_a_terminal(text: str) -> None:
    printed = str(CvimakeError(text, text))
    assert not any(character in printed for character in "\x1b\x07\x9b\r\u202e")
    assert "\N{REPLACEMENT CHARACTER}" in printed


def test_lines_and_other_alphabets_stay() -> None:
    assert harmless("Größe:\n\t尺寸") == "Größe:\n\t尺寸"
