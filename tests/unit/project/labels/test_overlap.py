from __future__ import annotations

from pathlib import Path

from cvimake.core import digest
from cvimake.project.dataset import Samples
from cvimake.project.labels import shared_samples


def samples(folder: Path, **contents: bytes) -> Samples:
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return Samples(files={name: folder / name for name in contents})


def test_equal_bytes_are_found_under_any_name(tmp_path: Path) -> None:
    ours = samples(tmp_path / "x", a=b"1", b=b"2")
    theirs = samples(tmp_path / "y", c=b"2", d=b"3", e=b"44")
    assert shared_samples(ours, theirs, digest.of_file) == ((tmp_path / "y/c", tmp_path / "x/b"),)


def test_only_files_of_equal_size_are_read(tmp_path: Path) -> None:
    read: list[str] = []

    def sha256(path: Path) -> str:
        read.append(path.name)
        return digest.of_file(path)

    ours = samples(tmp_path / "x", a=b"1", b=b"22")
    theirs = samples(tmp_path / "y", c=b"333", d=b"44")
    assert shared_samples(ours, theirs, sha256) == ()
    assert sorted(read) == ["b", "d"]
