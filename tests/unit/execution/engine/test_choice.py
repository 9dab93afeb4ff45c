from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cvimake.core.errors import EngineError
from cvimake.execution.engine import choice


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CVIMAKE_ENGINE", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(choice, "_SOCKET", str(tmp_path / "docker.sock"))


def record(tmp_path: Path, engine: str | None) -> Path:
    path = tmp_path / "toolchain.json"
    path.write_text(json.dumps({"engine": engine} if engine else {}), encoding="utf-8")
    return path


@pytest.mark.parametrize("wanted", ["", "docker", "local"])
def test_a_choice_is_taken(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", wanted)
    assert choice.chosen(os.environ) == wanted


def test_any_other_is_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "podman")
    with pytest.raises(EngineError, match="'podman'; it can be docker or local"):
        choice.chosen(os.environ)


def test_the_record_names_the_kind_of_engine(tmp_path: Path) -> None:
    assert choice.was_local(record(tmp_path, "local"))
    assert not choice.was_local(record(tmp_path, None))
    assert not choice.was_local(tmp_path / "missing.json")


CHANGES = {
    # recorded, wanted, whether Docker answers
    ("local", "", False): False,
    ("local", "", True): True,
    ("local", "docker", False): True,
    ("local", "local", True): False,
    (None, "", True): False,
    (None, "", False): False,
    (None, "local", True): True,
    (None, "docker", True): False,
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_toolchain_is_looked_at_again_when_another_engine_would_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: tuple[str | None, str, bool]
) -> None:
    recorded, wanted, answers = case
    monkeypatch.setenv("CVIMAKE_ENGINE", wanted)
    with socket.socket(socket.AF_UNIX) as engine:
        if answers:
            engine.bind(str(tmp_path / "docker.sock"))
            engine.listen()
        assert choice.would_change(record(tmp_path, recorded), os.environ) is CHANGES[case]


def test_nothing_changes_where_nothing_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    assert not choice.would_change(tmp_path / "missing.json", os.environ)
