from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cvimake.cli import environment
from cvimake.core.errors import CvimakeError
from cvimake.execution.engine import connection
from tests import command


class Calls:
    """What the command runs, and what fails of it."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing = ""
        self.needed_an_image = False

    def run(self, words: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        text = " ".join(words).removeprefix("/venv/bin/").removeprefix("python -m ")
        self.ran.append(text)
        code = 7 if self.failing and text.startswith(self.failing) else 0
        return subprocess.CompletedProcess(words, code, "87\n", "No data to report.\n" if code else "")

    def ensure(self, *_arguments: object) -> None:
        self.needed_an_image = True


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(environment, "prepare", lambda _root, _which: Path("/venv"))
    monkeypatch.setattr(subprocess, "run", calls.run)
    monkeypatch.setattr(command, "ensure", calls.ensure)
    monkeypatch.setattr(connection, "ensure", lambda _environment: None)
    monkeypatch.setattr(command, "DockerEngine", lambda _client, _environment: None)
    return calls


def perform(*arguments: str) -> int:
    return command.Test().perform({}, list(arguments))


def test_it_checks_and_then_tests_with_the_toolchain(calls: Calls) -> None:
    assert perform() == 0
    assert calls.ran == [
        "ruff check",
        "ruff format --check",
        "lint-imports --no-logo",
        "mypy",
        "pytest --cov --cov-report= -p randomly --randomly-seed=7 -n auto tests/unit",
        "pytest --cov --cov-report= --cov-append -n 2 --dist loadfile tests/integration",
        "coverage report --format=total",
    ]
    assert calls.needed_an_image


def test_it_ends_with_the_exit_code_of_the_tests_and_a_line_about_coverage(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.failing = "pytest --cov --cov-report= --cov-append"
    assert perform() == 7
    assert capsys.readouterr().out == (
        "coverage: 87 % of the lines of cvimake/, without processes that tests start\n"
    )
    calls.failing = "coverage"
    assert perform() == 0
    assert "no coverage: " in capsys.readouterr().out


def test_it_stops_at_the_first_that_fails_with_its_exit_code(calls: Calls) -> None:
    calls.failing = "mypy"
    assert perform() == 7
    assert calls.ran[-1] == "mypy"
    assert not calls.needed_an_image


def test_with_arguments_it_is_pytest_alone(calls: Calls) -> None:
    assert perform("tests/integration", "-x") == 0
    assert calls.ran == ["pytest tests/integration -x"]
    assert calls.needed_an_image


@pytest.mark.parametrize("arguments", [("tests/unit",), ("-x", "tests/unit/test_digest.py")])
def test_the_unit_tests_need_no_engine(calls: Calls, arguments: tuple[str, ...]) -> None:
    perform(*arguments)
    assert not calls.needed_an_image


def test_options_without_a_folder_mean_all_tests(calls: Calls) -> None:
    perform("-x")
    assert calls.needed_an_image


def test_a_failed_setup_is_a_clear_error(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise environment.EnvironmentFailedError("no network")

    monkeypatch.setattr(environment, "prepare", fail)
    with pytest.raises(CvimakeError, match="no network"):
        perform()
    assert calls.ran == []
