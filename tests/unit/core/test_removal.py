from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cvimake.core.removal import remove_tree


def nest(folder: Path, name: str, depth: int) -> None:
    """Makes folders in each other, deeper than a path can say."""
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


@pytest.mark.parametrize(("name", "depth"), [("d", 3 * sys.getrecursionlimit()), ("long" * 60, 1500)])
def test_folders_without_end_are_removed(tmp_path: Path, name: str, depth: int) -> None:
    nest(tmp_path / "left", name, depth)
    remove_tree(tmp_path / "left")
    assert list(tmp_path.iterdir()) == []


def test_everything_that_a_tool_can_leave_is_removed(tmp_path: Path) -> None:
    left, elsewhere = tmp_path / "left", tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    inner = left / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (left / "link").symlink_to(elsewhere)
    (inner / "link").symlink_to(elsewhere / "kept")
    (inner / "nothing").symlink_to("/nowhere")
    os.mkfifo(left / "pipe")
    # Called as a folder is that is on its way out.
    (left / ".removed-1" / "a" / ".removed-1" / "b").mkdir(parents=True)
    (left / ".removed-2").touch()
    (left / b"\xff\n".decode(errors="surrogateescape")).mkdir()
    for folder in (inner, left / "closed", left):
        folder.chmod(0)
    remove_tree(left)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert (elsewhere / "kept").is_dir()


def test_a_link_to_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    with pytest.raises(OSError, match="link"):
        remove_tree(tmp_path / "link")
    assert (tmp_path / "kept").is_dir()
