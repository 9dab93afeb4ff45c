from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.cli import surroundings


def test_paths_on_the_command_line_are_meant_from_where_the_launcher_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    assert surroundings.folder() == surroundings.invoked_from() == tmp_path
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", "/elsewhere")
    assert surroundings.folder() == tmp_path
    assert surroundings.as_path("key") == Path("/elsewhere/key")
    assert surroundings.as_path("~/key") == Path("/h/key")


def test_the_variables_do_not_change_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    before = surroundings.variables()
    monkeypatch.setenv("CVIMAKE_ENGINE", "docker")
    assert before["CVIMAKE_ENGINE"] == "local"
