from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.execution.engine import PLACE
from cvimake.execution.workspace import sweep, workspace

# Makes a workspace and is then killed in it.
OTHER = """
import sys
from pathlib import Path
from cvimake.execution.workspace import workspace
with workspace(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder elsewhere, where a step without containers runs."""
    place = tmp_path / "cvimake-place"
    (place / "files").mkdir(parents=True)
    return place


def test_a_workspace_is_there_until_it_is_left(tmp_path: Path) -> None:
    with workspace(tmp_path) as folder:
        (folder / "files").mkdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_sweep_leaves_workspaces_alone_that_are_in_use(tmp_path: Path) -> None:
    with workspace(tmp_path) as folder:
        sweep(tmp_path)
        assert folder.is_dir()


def test_the_workspace_of_another_process_stays_until_that_is_killed(tmp_path: Path, place: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        other = Path(process.stdout.readline().strip())
        (other / PLACE).symlink_to(place)
        sweep(tmp_path)
        assert other.is_dir()
        assert place.is_dir()
        process.kill()
    sweep(tmp_path)
    assert not other.exists()
    assert not place.exists()


def test_a_workspace_into_which_a_killed_builds_container_still_writes_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "build" / ".work" / "abc" / "files"
    files.mkdir(parents=True)
    remove = os.rmdir

    def writes_meanwhile(name: str, *, dir_fd: int | None = None) -> None:
        (files / "late").touch()
        remove(name, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", writes_meanwhile)
        sweep(tmp_path)
    assert files.is_dir()
    sweep(tmp_path)
    assert not files.parent.exists()


def test_folders_of_an_earlier_version_are_removed(tmp_path: Path) -> None:
    (tmp_path / "build" / ".work" / "abc" / "files").mkdir(parents=True)
    sweep(tmp_path)
    assert list((tmp_path / "build" / ".work").iterdir()) == []


def test_a_project_that_was_never_built_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
