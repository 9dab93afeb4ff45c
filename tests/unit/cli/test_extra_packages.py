from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from cvimake.cli import environment, extra_packages
from cvimake.core import resources
from cvimake.core.errors import CvimakeError


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


def test_packages_of_another_environment_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CvimakeError, match=r"a report needs .*: jinja2, matplotlib") as raised:
        extra_packages.ensure(extra_packages.REPORT)
    assert raised.value.remedy == "Install them: pip install 'cvimake[report]'"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    extra_packages.ensure(extra_packages.REPORT)


def test_only_a_store_on_s3_needs_its_driver() -> None:
    for url in ("/store", "file:///store", "gs://bucket", "sftp://host/store"):
        extra_packages.ensure_for_store(url)
    for url in ("s3://bucket/store", "s3a://bucket/store"):
        with pytest.raises(CvimakeError, match="s3fs") as raised:
            extra_packages.ensure_for_store(url)
        assert "cvimake[s3]" in raised.value.remedy


def test_packages_are_installed_once_into_the_launchers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv, installed = tmp_path / ".venv", list[Path]()
    marks = venv / environment.MARKS
    marks.mkdir(parents=True)
    (marks / "place").touch()
    monkeypatch.setattr(sys, "prefix", str(venv))

    def install(lock: Path, folder: Path) -> None:
        assert folder == venv
        installed.append(lock)
        (marks / lock.name).write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")

    monkeypatch.setattr(environment, "install", install)
    for _ in range(2):
        extra_packages.ensure_for_store("s3://bucket/store")
    assert installed == [resources.lock_file("s3")]


def test_an_installation_that_fails_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tmp_path / ".venv" / environment.MARKS
    marks.mkdir(parents=True)
    (marks / "place").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))

    def install(_lock: Path, _folder: Path) -> None:
        raise environment.EnvironmentFailedError("no network")

    monkeypatch.setattr(environment, "install", install)
    with pytest.raises(CvimakeError, match="the packages of a store on S3 cannot be installed: no network"):
        extra_packages.ensure_for_store("s3://bucket/store")
