from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from cvimake.cli import disk_use, doctor
from cvimake.cli.doctor import Doctor
from cvimake.execution.engine import connection
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage

IDENTITY = {"python": "3.10.14", "packages": {"tpu-mlir": {"version": "1.7"}}}
IMAGE = ToolchainImage(id="sha256:abc", base="the official one", identity=IDENTITY)


class FakeClient:
    api = SimpleNamespace(base_url="http+docker://localhost")
    images = SimpleNamespace(list=lambda _name: [])

    def version(self) -> dict[str, str]:
        return {"Version": "27.3.1", "ApiVersion": "1.47"}

    def info(self) -> dict[str, Any]:
        return {"SecurityOptions": None, "DockerRootDir": "/nowhere"}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good machine with an engine and an image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(connection, "find", lambda _environment: FakeClient())
    monkeypatch.setattr(making, "find", lambda _client, _recipe: IMAGE)
    monkeypatch.setattr(disk_use, "user_cache", lambda _environment: tmp_path / "cache")


def examine(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = Doctor().perform({}, [])
    return code, capsys.readouterr().out


def test_doctor_succeeds_if_nothing_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = examine(capsys)
    assert code == 0
    assert text.endswith("A build can run.\n")
    assert "MISSING" not in text
    assert "Docker 27.3.1" in text
    assert IMAGE.fingerprint[:12] in text


def test_doctor_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examine(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_image_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(making, "find", lambda _client, _recipe: None)
    code, text = examine(capsys)
    assert code == 2
    assert "./doit image builds it" in text


def test_doctor_warns_of_an_emulated_processor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    _, text = examine(capsys)
    assert "emulated here" in text


def silence(**_options: object) -> None:
    raise docker.errors.DockerException("Connection refused")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("docker.from_env", silence)


@pytest.mark.usefixtures("no_engine")
def test_a_missing_engine_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(doctor, "find_python", lambda _environment, **_options: None)
    code, text = examine(capsys)
    assert code == 2
    assert "MISSING engine" in text
    assert connection.by_hand(os.environ) in text


@pytest.mark.usefixtures("no_engine")
def test_doctor_says_that_stages_would_run_without_containers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(connection, "can_bring_up", lambda _environment: False)
    monkeypatch.setattr(doctor, "find_python", lambda _environment, **_options: Path("/usr/bin/python3.10"))
    code, text = examine(capsys)
    assert code == 0
    assert "stages would run without containers, with /usr/bin/python3.10" in text
    assert connection.by_hand(os.environ) in text
    monkeypatch.setenv("CVIMAKE_ENGINE", "docker")
    assert examine(capsys)[0] == 2


@pytest.mark.usefixtures("no_engine")
def test_the_remedy_for_a_chosen_engine_does_not_suggest_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    code, text = examine(capsys)
    assert code == 2
    assert "tcp://far:2375" in text
    assert "apt-get" not in text
    assert "dockerd" not in text


def test_models_that_wait_and_wrong_declarations_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = 'source = "CHOOSE"\n[verify]\ninput = "a.npz"\n[variant.a]\nquantize = "BF16"\n'
    for name, text in (("open", waiting), ("wrong", f"sauce = 1\n{waiting}")):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "model.toml").write_text(text, encoding="utf-8")
    code, text = examine(capsys)
    assert code == 2
    assert "WRONG   models" in text
    assert "0 can be built, 1 wait, 1 declared wrongly" in text
    assert "model.toml:1: sauce: no such key" in text
    assert "open waits: " in text
    (tmp_path / "models" / "wrong" / "model.toml").unlink()
    assert examine(capsys)[0] == 0


def test_results_of_models_that_are_no_longer_declared_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "build" / "old").mkdir(parents=True)
    (tmp_path / "build" / "old" / "old.mlir").write_bytes(bytes(2_000_000))
    code, text = examine(capsys)
    assert code == 0
    assert "results of models that are no longer declared: old (2.0 MB)" in text
    assert "./doit clean old removes them." in text


def test_what_takes_disk_space_is_told_with_the_command_that_removes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "build" / "shell" / "net" / "int8"
    written.mkdir(parents=True)
    (written / "mine.txt").write_bytes(b"x" * 100_000)
    code, text = examine(capsys)
    assert code == 0
    assert f"MB in {tmp_path}/build/shell: files that you have written" in text.replace(" kB in", " MB in")
    assert "./doit clean --cache NAME ... removes what is named: shell." in text
