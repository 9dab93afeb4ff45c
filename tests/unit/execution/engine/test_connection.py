from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import docker.errors
import pytest

from cvimake.core import system
from cvimake.core.errors import EngineError
from cvimake.execution.engine import connection, service


class FakeClient:
    def __init__(self, api: str = "1.47", version: str = "27.3.1") -> None:
        self._version = {"ApiVersion": api, "Version": version}

    def version(self) -> dict[str, str]:
        return self._version


def answer_with(monkeypatch: pytest.MonkeyPatch, answers: list[FakeClient | Exception]) -> None:
    """Makes `docker.from_env` give or raise one after another, the last one for ever."""

    def from_env(environment: Mapping[str, str]) -> FakeClient:
        assert environment == os.environ
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("docker.from_env", from_env)


SILENCE = docker.errors.DockerException("Connection refused")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that names no engine, on which nothing may be installed."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("os.access", lambda _path, _mode: True)
    monkeypatch.setattr(system, "may_install", lambda _environment: False)
    monkeypatch.setattr(service, "ensure_running", lambda _environment: pytest.fail("it started an engine"))


@pytest.mark.parametrize("api", ["1.41", "1.47", "2.0"])
def test_an_engine_that_answers_and_is_new_enough_is_taken(monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    client = FakeClient(api)
    answer_with(monkeypatch, [client])
    assert connection.ensure(os.environ) is client  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("find", [connection.find, connection.ensure])
def test_an_engine_that_is_too_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, find: Callable[[Mapping[str, str]], object]
) -> None:
    answer_with(monkeypatch, [FakeClient("1.9", "1.9.1")])
    with pytest.raises(EngineError, match=r"the Docker engine is 1\.9\.1; cvimake needs 20\.10 or newer"):
        find(os.environ)


def test_an_engine_that_does_not_answer_is_an_error_with_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [SILENCE])
    monkeypatch.setattr(connection, "by_hand", lambda _environment: "Start it: dockerd")
    with pytest.raises(EngineError) as caught:
        connection.ensure(os.environ)
    assert caught.value.cause.startswith("no Docker engine answers")
    assert caught.value.remedy == "Start it: dockerd"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:99999", "tcp://[::1", "garbage"])
def test_a_malformed_engine_address_is_an_error(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineError, match="no Docker engine answers at"):
        connection.ensure(os.environ)


def test_an_engine_is_brought_up_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    started: list[bool] = []
    answer_with(monkeypatch, [SILENCE, client])
    monkeypatch.setattr(system, "may_install", lambda _environment: True)
    monkeypatch.setattr(service, "ensure_running", lambda _environment: started.append(True))
    assert connection.ensure(os.environ) is client  # type: ignore[comparison-overlap]
    assert started == [True]


def test_no_engine_is_brought_up_in_place_of_a_chosen_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [SILENCE])
    monkeypatch.setattr(system, "may_install", lambda _environment: True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    with pytest.raises(EngineError, match=r"DOCKER_HOST \w+ tcp://far:2375"):
        connection.ensure(os.environ)


def test_a_user_who_may_not_use_the_engine_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [docker.errors.DockerException("Permission denied")])
    monkeypatch.setattr("pathlib.Path.exists", lambda _path: True)
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    with pytest.raises(EngineError, match="usermod -aG docker"):
        connection.ensure(os.environ)


def declare_context(folder: Path, name: str, content: str) -> None:
    """Writes what Docker keeps of a context."""
    place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (place / "meta.json").write_text(content, encoding="utf-8")


def test_the_engine_of_the_context_that_the_environment_names_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://far:2375"}}}
    declare_context(tmp_path, "far", json.dumps(far))
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    answer_with(monkeypatch, [SILENCE])
    monkeypatch.setattr(system, "may_install", lambda _environment: True)
    assert not connection.sees_our_files(os.environ)
    with pytest.raises(EngineError, match=r"no Docker engine answers at tcp://far:2375") as caught:
        connection.ensure(os.environ)
    assert caught.value.remedy.startswith("DOCKER_CONTEXT names tcp://far:2375")


def test_no_other_engine_takes_the_place_of_a_context_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, [FakeClient()])
    (tmp_path / "config.json").write_text('{"currentContext": "gone"}', encoding="utf-8")
    with pytest.raises(EngineError, match="the current Docker context is not there"):
        connection.ensure(os.environ)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    with pytest.raises(EngineError, match="DOCKER_CONTEXT is 'other', and this context is not there"):
        connection.ensure(os.environ)
    assert not connection.is_this_machines(os.environ)
    assert "docker context ls" in connection.by_hand(os.environ)


def test_a_context_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_context(tmp_path, "far", "{")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with pytest.raises(EngineError, match="DOCKER_CONTEXT is 'far', and this context cannot be read"):
        connection.ensure(os.environ)


@pytest.mark.parametrize(
    ("root", "systemd", "installed", "expected"),
    [
        (True, True, True, "Start it: systemctl enable --now docker"),
        (True, False, True, "Start it: sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 &'"),
        (False, True, True, "Start it: sudo systemctl enable --now docker && sudo usermod -aG docker"),
        (True, True, False, "Install and start it: apt-get update && apt-get install --yes docker.io"),
        (False, True, False, "Install and start it: sudo apt-get update && sudo apt-get install --yes"),
    ],
)
def test_the_commands_by_hand_are_this_machines(
    monkeypatch: pytest.MonkeyPatch, *, root: bool, systemd: bool, installed: bool, expected: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(service, "has_systemd", lambda: systemd)
    monkeypatch.setattr(service, "is_installed", lambda _environment: installed)
    monkeypatch.setattr(system, "has_apt", lambda _environment: True)
    assert connection.by_hand(os.environ).startswith(expected)


def test_on_other_systems_the_installation_is_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "is_installed", lambda _environment: False)
    monkeypatch.setattr(system, "has_apt", lambda _environment: False)
    assert connection.by_hand(os.environ).startswith("Install one (https://docs.docker.com/engine/install/)")
