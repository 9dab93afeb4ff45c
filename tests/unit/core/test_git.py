from __future__ import annotations

import os
from pathlib import Path

import pytest
from releases import git

from cvimake.core.git import shortened, tree


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    return tmp_path


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    found = tree(repository, os.environ)
    assert found.commit == git(repository, "rev-parse", "HEAD")
    assert found.described == found.commit[:12]
    assert found.changes == ()


def test_the_version_counts_from_the_last_tag(repository: Path) -> None:
    git(repository, "tag", "release/1.0")
    assert tree(repository, os.environ).described == "release-1.0"
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "y")
    commit = git(repository, "rev-parse", "HEAD")
    assert tree(repository, os.environ).described == f"release-1.0-1-g{commit[:12]}"


def test_changed_and_new_files_are_changes(repository: Path) -> None:
    (repository / "file").write_text("y", encoding="utf-8")
    (repository / "folder").mkdir()
    (repository / "folder" / "new").touch()
    assert tree(repository, os.environ).changes == (" M file", "?? folder/new")


def test_built_and_released_files_are_not_uncommitted_changes(repository: Path) -> None:
    project = repository / "project"
    for name in ("build", "release", "release-notes"):
        (project / name).mkdir(parents=True)
        (project / name / "new").touch()
    assert tree(project, os.environ).changes == ("?? project/release-notes/new",)


def test_a_project_may_be_a_folder_of_a_repository(repository: Path) -> None:
    (repository / "project").mkdir()
    assert tree(repository / "project", os.environ).prefix == "project/"


def test_without_a_repository_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "not a git repository" in tree(tmp_path, os.environ).reason
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in tree(tmp_path, os.environ).reason


def test_many_changes_are_counted() -> None:
    assert shortened(tuple(f" M {number}" for number in range(12))).endswith("M 9 and 2 more")


def test_programs_that_a_repository_names_are_not_run(repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = repository / ".git" / "evil"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    assert tree(repository, os.environ).commit
    assert not ran.exists()
