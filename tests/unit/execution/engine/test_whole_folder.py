from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from cvimake.execution.engine import whole_folder

USER = (65534, 65534)


def archive(*members: tuple[str, bytes | None, bytes]) -> io.BytesIO:
    """An archive of members, each with its name, its contents and its type."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            member.size = len(content or b"")
            opened.addfile(member, io.BytesIO(content or b""))
    file.seek(0)
    return file


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_folders_and_plain_files_go_in_without_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "net.mlir").write_text("mine", encoding="utf-8")
    (tmp_path / "net.mlir").touch()
    (tmp_path / "run.sh").touch(0o755)
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    found = {member.name: member for member, _ in whole_folder.members(tmp_path, {"net.mlir"}, USER)}
    assert sorted(found) == ["deep", "deep/net.mlir", "run.sh"]
    assert found["run.sh"].mode == 0o755
    assert {(member.uid, member.gid) for member in found.values()} == {USER}


def test_what_comes_back_replaces_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "old").touch()
    whole_folder.replace(
        folder,
        archive(
            ("workspace", None, tarfile.DIRTYPE),
            ("workspace/deep", None, tarfile.DIRTYPE),
            ("workspace/deep/new", b"new", tarfile.REGTYPE),
            ("workspace/net.mlir", b"", tarfile.REGTYPE),
        ),
        {"net.mlir"},
    )
    assert names(tmp_path) == ["shell", "shell/deep", "shell/deep/new"]
    assert (folder / "deep" / "new").read_bytes() == b"new"


def test_hostile_members_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "shell"
    folder.mkdir()
    whole_folder.replace(
        folder,
        archive(
            ("workspace/link", None, tarfile.SYMTYPE),
            ("workspace/link/through", b"x", tarfile.REGTYPE),
            ("workspace/hard", None, tarfile.LNKTYPE),
            ("workspace/device", None, tarfile.CHRTYPE),
            ("workspace/../../outside", b"x", tarfile.REGTYPE),
            ("/outside", b"x", tarfile.REGTYPE),
        ),
        (),
    )
    # The link is no link here, so the file goes into a folder of its name.
    assert names(tmp_path) == ["shell", "shell/link", "shell/link/through", "shell/outside"]
    assert not (folder / "link").is_symlink()


def test_links_and_pipes_are_removed_and_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "link").symlink_to("/etc")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    closed.chmod(0)
    assert whole_folder.keep_plain(tmp_path) == ["closed/link", "pipe"]
    assert names(tmp_path) == ["closed", "file"]
