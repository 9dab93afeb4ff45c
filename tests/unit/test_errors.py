from __future__ import annotations

import pytest

from cvimake.errors import CvimakeError, DeclarationError, EngineError, ImageError, StepFailedError


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
