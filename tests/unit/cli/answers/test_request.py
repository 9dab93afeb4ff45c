from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cvimake.cli.answers.request import VARIABLE, of_process


def digest(*arguments: str) -> bytes | None:
    request = of_process(arguments)
    return request.digest if request else None


@pytest.mark.parametrize(
    "change",
    [
        lambda monkeypatch: monkeypatch.setenv("CVIMAKE_ENGINE", "local"),
        lambda monkeypatch: monkeypatch.setenv("DOCKER_HOST", "tcp://x"),
        lambda monkeypatch: monkeypatch.chdir("/"),
        lambda monkeypatch: monkeypatch.setattr(sys, "path", ["/x", *sys.path]),
        lambda monkeypatch: monkeypatch.setattr(sys, "version", "4"),
        lambda monkeypatch: monkeypatch.setattr(os, "isatty", lambda _number: True),
        lambda monkeypatch: monkeypatch.setattr(os, "getresuid", lambda: (7, 7, 7)),
        lambda monkeypatch: monkeypatch.setattr(os, "getgroups", lambda: [7]),
    ],
)
def test_other_circumstances_are_another_request(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest("plan")
    assert before == digest("plan")
    change(monkeypatch)
    assert digest("plan") not in {before, None}


def test_other_arguments_are_another_request() -> None:
    assert (
        len({digest(), digest("a"), digest("a", "b"), digest("b", "a"), digest("a b"), digest("\udcff")}) == 6
    )


def test_variables_that_every_command_has_anew_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    for name in ("_", "SHLVL", "OLDPWD"):
        monkeypatch.setenv(name, "x")
    assert digest() == before


def test_there_is_none_if_it_is_not_wanted_or_a_stream_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "1")
        assert of_process([]) is None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        assert of_process([]) is None
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert of_process([]) is None


def test_the_size_of_the_terminal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _number: True)
    digests = set()
    for columns in (80, 81):
        monkeypatch.setattr(
            os, "get_terminal_size", lambda _number, columns=columns: os.terminal_size((columns, 24))
        )
        digests.add(digest())
    assert len(digests) == 2
