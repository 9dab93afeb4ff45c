from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import command
from cvimake.cli import environment
from cvimake.core.errors import CvimakeError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the command installs and runs."""
    calls: list[list[str]] = []

    def prepare(_root: Path, which: str) -> Path:
        calls.append(["install", which])
        return Path("/venv")

    def run(words: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        calls.append(words)
        return subprocess.CompletedProcess(words, 7)

    monkeypatch.setattr(environment, "prepare", prepare)
    monkeypatch.setattr(environment, "prepare_apart", prepare)
    monkeypatch.setattr(subprocess, "run", run)
    return calls


def perform(*arguments: str) -> int:
    return command.Bench().perform({}, list(arguments))


def test_it_installs_both_environments_and_runs_the_benchmarks_with_their_exit_code(
    calls: list[list[str]],
) -> None:
    assert perform("hashing", "--repeats", "3") == 7
    assert calls == [
        ["install", "test"],
        ["install", "bench"],
        ["/venv/bin/python", "-m", "bench", "hashing", "--repeats", "3"],
    ]


def test_a_failed_setup_is_a_clear_error(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise environment.EnvironmentFailedError("no network")

    monkeypatch.setattr(environment, "prepare_apart", fail)
    with pytest.raises(CvimakeError, match="no network"):
        perform()
    assert calls == [["install", "test"]]
