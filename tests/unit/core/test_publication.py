from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.publication import publish


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
