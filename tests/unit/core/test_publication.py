from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.core.publication import publish, write_whole


def test_files_get_their_places_the_usual_mode_and_the_folders_they_need(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new" / "folder" / "target"
    source.write_text("content", encoding="utf-8")
    source.chmod(0o600)
    publish({source: target})
    assert target.read_text(encoding="utf-8") == "content"
    assert target.stat().st_mode & 0o777 == 0o644
    assert not source.exists()


def test_where_one_place_is_taken_by_a_folder_none_is_published(tmp_path: Path) -> None:
    sources = [tmp_path / "a", tmp_path / "b"]
    for source in sources:
        source.touch()
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError, match="taken is a folder"):
        publish({sources[0]: tmp_path / "free", sources[1]: tmp_path / "taken"})
    assert not (tmp_path / "free").exists()


def test_a_target_on_another_file_system_is_written_beside_it_first(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no second file system here: mount -t tmpfs tmpfs /dev/shm")
    source = tmp_path / "source"
    source.write_text("content", encoding="utf-8")
    target = memory / f"cvimake-{tmp_path.name}" / "target"
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    try:
        target.parent.mkdir()
        target.with_name(".target.new").symlink_to(precious)
        publish({source: target})
        assert precious.read_text(encoding="utf-8") == "mine"
        assert [path.name for path in target.parent.iterdir()] == ["target"]
        assert target.read_text(encoding="utf-8") == "content"
    finally:
        target.unlink(missing_ok=True)
        target.parent.rmdir()


def test_targets_behind_a_bind_mount_are_written(tmp_path: Path) -> None:
    """Both sides of a bind mount have the same device, and the kernel refuses a rename between them."""
    elsewhere, mounted = tmp_path / "elsewhere", tmp_path / "mounted"
    for folder in (elsewhere, mounted):
        folder.mkdir()
    sources = [tmp_path / "a", tmp_path / "b"]
    for source in sources:
        source.write_text(source.name, encoding="utf-8")
    own_mounts = ("unshare", "--map-root-user", "--mount", "sh", "-c")
    bind = (*own_mounts, 'mount --bind "$0" "$1" && shift && exec "$@"', elsewhere, mounted)
    if subprocess.run([*bind, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mounts of one's own here: allow user namespaces, or run as root")
    program = f"import sys, pathlib, {publish.__module__} as module\n"
    program += "a, b, mounted = map(pathlib.Path, sys.argv[1:])\n"
    program += "module.publish({a: mounted / 'a', b: mounted / 'b'})"
    subprocess.run([*bind, sys.executable, "-c", program, *sources, mounted], check=True)
    found = {path.name: path.read_text(encoding="utf-8") for path in elsewhere.iterdir()}
    assert found == {"a": "a", "b": "b"}


def test_a_whole_file_replaces_an_earlier_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "target"
    write_whole(path, b"one")
    with path.open("rb") as earlier:
        write_whole(path, b"two")
        assert earlier.read() == b"one"
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_whole_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    precious, path = tmp_path / "precious", tmp_path / "folder" / "target"
    precious.write_bytes(b"mine")
    path.parent.mkdir()
    path.symlink_to(precious)
    path.with_name(f".target.{os.getpid()}").symlink_to(precious)
    write_whole(path, b"content")
    assert precious.read_bytes() == b"mine"
    assert path.read_bytes() == b"content"
    assert [(one.name, one.is_symlink()) for one in path.parent.iterdir()] == [("target", False)]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
