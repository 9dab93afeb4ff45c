from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvimake.core import system
from cvimake.core.errors import EngineError
from cvimake.core.process import started
from cvimake.execution.engine import service


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of its own, without systemd."""
    monkeypatch.setattr(service, "STATE", tmp_path / "run" / "engine.json")
    monkeypatch.setattr(service, "LOG", tmp_path / "dockerd.log")
    monkeypatch.setattr(service, "PID_FILE", tmp_path / "docker.pid")
    monkeypatch.setattr(service, "SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(service, "has_systemd", lambda: False)
    monkeypatch.setattr(system, "install", lambda *_: pytest.fail("it installed something"))
    return tmp_path / "run" / "engine.json"


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `dockerd` that is found, to be written by the test, and ended after it."""
    path = tmp_path / "dockerd"
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(service, "_dockerd", lambda _environment: str(path))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", Noted)
        yield path
    for process in started:
        process.kill()
        process.wait()


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_an_engine_that_answers_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    monkeypatch.setattr(service, "_answers", lambda: True)
    service.ensure_running(os.environ)
    assert not state.exists()


def test_an_engine_that_is_not_there_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(service, "_answers", lambda: bool(installed))
    monkeypatch.setattr(service, "_dockerd", lambda _environment: None)
    monkeypatch.setattr(system, "install", lambda packages, *_: installed.extend(packages))
    service.ensure_running(os.environ)
    assert installed == ["docker.io"]


def test_an_engine_is_started_in_a_session_of_its_own_and_stopped_again(
    monkeypatch: pytest.MonkeyPatch, state: Path, daemon: Path, tmp_path: Path
) -> None:
    up = tmp_path / "up"
    write_program(daemon, f'ps -o sid= -p $$ >"{up}.new" && mv "{up}.new" "{up}"; exec sleep 60')
    monkeypatch.setattr(service, "_answers", up.exists)
    service.ensure_running(os.environ)
    process = json.loads(state.read_text(encoding="utf-8"))["process"]
    assert int(up.read_text(encoding="ascii")) == process
    assert service.stop(os.environ) == "stopped the engine that cvimake started"
    assert service.stop(os.environ) == "cvimake started no engine on this machine; nothing to stop"


def test_an_engine_that_ends_at_once_is_an_error_with_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch, state: Path, daemon: Path
) -> None:
    write_program(daemon, "echo 'no iptables here' >&2; exit 1")
    monkeypatch.setattr(service, "_answers", lambda: False)
    with pytest.raises(EngineError, match="no iptables here"):
        service.ensure_running(os.environ)
    assert not state.exists()


def test_an_engine_that_never_answers_is_ended(
    monkeypatch: pytest.MonkeyPatch, state: Path, daemon: Path, tmp_path: Path
) -> None:
    write_program(daemon, f'trap "touch {tmp_path}/ended; exit" TERM; while :; do sleep 0.02; done')
    monkeypatch.setattr(service, "_answers", lambda: False)
    monkeypatch.setattr(service, "START_SECONDS", 0.2)
    with pytest.raises(EngineError, match="does not start"):
        service.ensure_running(os.environ)
    assert not state.exists()
    for _ in range(100):
        if (tmp_path / "ended").exists():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize("text", ["", "rubbish", "4194999"])
def test_the_pid_file_of_a_killed_engine_is_removed(
    monkeypatch: pytest.MonkeyPatch, daemon: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "docker.pid").write_text(text, encoding="ascii")
    write_program(daemon, f'[ ! -e "{tmp_path}/docker.pid" ] && touch "{tmp_path}/up"; exec sleep 60')
    monkeypatch.setattr(service, "_answers", (tmp_path / "up").exists)
    service.ensure_running(os.environ)
    service.stop(os.environ)


def test_a_second_engine_is_not_started_beside_one_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, daemon: Path, tmp_path: Path
) -> None:
    daemon.symlink_to(Path("/bin/sleep").resolve())
    running = subprocess.Popen([daemon, "60"])
    try:
        (tmp_path / "docker.pid").write_text(str(running.pid), encoding="ascii")
        monkeypatch.setattr(service, "_answers", lambda: False)
        with pytest.raises(EngineError, match=f"end it: kill {running.pid}"):
            service.ensure_running(os.environ)
        assert (tmp_path / "docker.pid").exists()
    finally:
        running.kill()
        running.wait()


def test_a_process_that_got_the_engines_number_is_not_ended(
    state: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    state.parent.mkdir()
    state.write_text(json.dumps({"process": sleeper.pid, "started": "1"}), encoding="utf-8")
    assert service.stop(os.environ) == "the engine that cvimake started has ended already"
    assert sleeper.poll() is None
    assert not state.exists()


def test_an_engine_that_does_not_stop_is_an_error(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    stubborn = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        monkeypatch.setattr(service, "STOP_SECONDS", 0.05)
        state.parent.mkdir()
        began = started(stubborn.pid)
        state.write_text(json.dumps({"process": stubborn.pid, "started": began}), encoding="utf-8")
        with pytest.raises(EngineError, match="did not stop"):
            service.stop(os.environ)
        assert state.exists()
    finally:
        stubborn.kill()
        stubborn.communicate()
