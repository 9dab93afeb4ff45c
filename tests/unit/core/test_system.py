from __future__ import annotations

import os
import subprocess

import pytest

from cvimake.core import announce, system
from cvimake.core.errors import CvimakeError


class FakeApt:
    """Notes the commands, and answers as it is told to."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failing = ""

    def __call__(
        self, command: list[str], *, env: dict[str, str], **_options: object
    ) -> subprocess.CompletedProcess[str]:
        assert env["DEBIAN_FRONTEND"] == "noninteractive"
        self.commands.append(command)
        code = 100 if command[1] == self.failing else 0
        return subprocess.CompletedProcess(command, code, "Reading lists\n", "E: no such package\n")


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    """A Debian machine where we are root and nobody objects."""
    apt = FakeApt()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(system, "has_apt", lambda _environment: True)
    monkeypatch.setattr(announce, "confirm", lambda _question: True)
    monkeypatch.setattr(subprocess, "run", apt)
    return apt


@pytest.mark.parametrize(
    ("user", "debian", "forbidden", "expected"),
    [
        (0, True, "", True),
        (1000, True, "", False),
        (0, False, "", False),
        (0, True, "1", False),
    ],
)
def test_only_root_of_a_debian_machine_installs_unless_it_is_forbidden(
    monkeypatch: pytest.MonkeyPatch, user: int, *, debian: bool, forbidden: str, expected: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(system, "has_apt", lambda _environment: debian)
    assert system.may_install({"CVIMAKE_NO_INSTALL": forbidden}) is expected


def test_packages_are_installed_from_fresh_lists_without_what_they_only_recommend(apt: FakeApt) -> None:
    system.install(["docker.io", "uidmap"], "an engine", {})
    update, install = apt.commands
    assert update[:2] == ["apt-get", "update"]
    assert install[:2] == ["apt-get", "install"]
    assert install[-3:] == ["--no-install-recommends", "docker.io", "uidmap"]
    assert "--yes" in install


def test_a_source_that_does_not_answer_fails_the_update_alone(apt: FakeApt) -> None:
    apt.failing = "update"
    system.install(["docker.io"], "an engine", {})
    assert len(apt.commands) == 2


def test_a_failed_installation_shows_what_apt_said(apt: FakeApt) -> None:
    apt.failing = "install"
    with pytest.raises(CvimakeError, match="no such package"):
        system.install(["docker.io"], "an engine", {})


@pytest.mark.parametrize("objection", ["not root", "the user says no"])
def test_without_permission_to_install_the_commands_are_shown(
    apt: FakeApt, monkeypatch: pytest.MonkeyPatch, objection: str
) -> None:
    if objection == "not root":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    else:
        monkeypatch.setattr(announce, "confirm", lambda _question: False)
    with pytest.raises(CvimakeError, match=r"an engine needs docker\.io") as caught:
        system.install(["docker.io"], "an engine", {})
    assert "apt-get install --yes --no-install-recommends docker.io" in caught.value.remedy
    assert apt.commands == []
