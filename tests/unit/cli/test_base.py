from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from cvimake.cli.base import PlainCommand
from cvimake.core.errors import EngineError, StageFailedError


class Example(PlainCommand):
    doc_purpose = "x"
    doc_usage = ""
    error: BaseException | None = None

    def perform(self, _options: dict[str, Any], arguments: list[str]) -> int:
        if self.error:
            raise self.error
        return len(arguments)


@pytest.fixture
def example() -> Iterator[Example]:
    previous = signal.getsignal(signal.SIGTERM)
    yield Example()
    signal.signal(signal.SIGTERM, previous)


def test_the_exit_code_is_the_commands(example: Example) -> None:
    example.takes_arguments = True
    assert example.execute({}, ["one", "two"]) == 2


def test_arguments_that_a_command_does_not_take_are_refused(
    example: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.execute({}, ["one", "two"]) == 2
    assert capsys.readouterr().err == "cvimake: example takes no arguments: one two\n"


@pytest.mark.parametrize(
    ("error", "code"), [(EngineError("what", "remedy"), 2), (StageFailedError("what"), 1)]
)
def test_an_error_is_printed_and_has_its_exit_code(
    example: Example, capsys: pytest.CaptureFixture[str], error: EngineError, code: int
) -> None:
    example.error = error
    assert example.execute({}, []) == code
    assert capsys.readouterr().err == f"cvimake: {error}\n"


def test_an_interrupt_is_exit_code_130(example: Example) -> None:
    example.error = KeyboardInterrupt()
    with pytest.raises(SystemExit) as caught:
        example.execute({}, [])
    assert caught.value.code == 130


def test_sigterm_ends_a_command_in_order(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[bool] = []

    def perform(_options: dict[str, Any], _arguments: list[str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)
        return 0

    monkeypatch.setattr(example, "perform", perform)
    with pytest.raises(SystemExit) as caught:
        example.execute({}, [])
    assert cleaned == [True]
    assert caught.value.code == 143
