"""Members of real archives, and of archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cvimake.fetching import archive as module
from cvimake.fetching.archive import Member, extract
from cvimake.fetching.faults import FetchError
from cvimake.fetching.transfer import StoppedError, Wanted

CONTENT = b"a picture" * 1000


def tar(mode: str) -> Callable[[Path, Mapping[str, bytes]], None]:
    def write(path: Path, files: Mapping[str, bytes]) -> None:
        with tarfile.open(path, f"w{mode}") as opened:  # type: ignore[call-overload]
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                opened.addfile(info, io.BytesIO(content))

    return write


def as_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)


FORMATS = {"tar": tar(""), "gz": tar(":gz"), "bz2": tar(":bz2"), "xz": tar(":xz"), "zip": as_zip}


def member(folder: Path, content: bytes = CONTENT, size: int | None = None) -> Member:
    sha256 = hashlib.sha256(content).hexdigest()
    return Member(wanted=Wanted(server="SERVER", sha256=sha256, size=size), part=folder / f"{sha256}.part")


def take(path: Path, members: Mapping[str, Member]) -> None:
    extract(path, "SERVER", members, threading.Event())


def fault(path: Path, members: Mapping[str, Member]) -> str:
    with pytest.raises(FetchError) as caught:
        take(path, members)
    assert caught.value.id == "fetch-archive"
    return caught.value.cause.removeprefix("the archive from SERVER ")


@pytest.mark.parametrize("form", FORMATS)
def test_declared_members_are_taken_out_and_nothing_else(tmp_path: Path, form: str) -> None:
    archive, folder = tmp_path / "archive", tmp_path / "parts"
    folder.mkdir()
    FORMATS[form](
        archive, {"../evil": b"x", "/etc/evil": b"x", "d/a.jpg": CONTENT, "d/b.jpg": b"b", "c": b"c"}
    )
    members = {"d/a.jpg": member(folder, size=len(CONTENT)), "d/b.jpg": member(folder, b"b")}
    take(archive, members)
    assert members["d/a.jpg"].part.read_bytes() == CONTENT
    assert {path.name for path in folder.iterdir()} == {each.part.name for each in members.values()}
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "parts"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_member_that_is_not_there_or_another_one_is_an_error(tmp_path: Path, form: str) -> None:
    archive = tmp_path / "archive"
    FORMATS[form](archive, {"a": CONTENT})
    assert fault(archive, {"b": member(tmp_path)}) == "has no member b"
    assert fault(archive, {"a": member(tmp_path, size=5)}) == "has a with 9000 bytes instead of 5"
    assert fault(archive, {"a": member(tmp_path, b"other")}).startswith("has a with the sha256 ")
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_archive_is_an_error(tmp_path: Path, form: str) -> None:
    archive = tmp_path / "archive"
    FORMATS[form](archive, {"a": CONTENT})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 4])
    assert fault(archive, {"a": member(tmp_path)}).startswith(("cannot be read: ", "has a with the sha256"))


def test_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"<html>" * 1000)
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}).startswith("cannot be read: ")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_other_things_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as opened:
        info = tarfile.TarInfo("a")
        info.type, info.linkname = kind, "/etc/passwd"
        opened.addfile(info)
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}) == "cannot be read: a is no plain file"


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as opened:
        info = zipfile.ZipInfo("a")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}) == "cannot be read: a is no plain file"


def test_a_member_of_unknown_size_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_zip(tmp_path / "archive", {"a": CONTENT})
    monkeypatch.setattr(module, "MOST_UNDECLARED", 1000)
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}) == (
        "has a with 9000 bytes instead of at most 1000"
    )


def test_a_tar_that_never_ends_and_a_header_that_fills_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar(":gz")(tmp_path / "archive", {"x": bytes(5_000_000), "a": CONTENT})
    monkeypatch.setattr(module, "_MOST_UNPACKED", 1_000_000)
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}) == "cannot be read: it is too large"
    monkeypatch.undo()
    with tarfile.open(tmp_path / "archive", "w:gz") as opened:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"comment": "x" * 20_000_000}
        opened.addfile(info)
    assert fault(tmp_path / "archive", {"a": member(tmp_path)}) == "cannot be read: it is too large"


def test_a_stopped_extraction_ends(tmp_path: Path) -> None:
    as_zip(tmp_path / "archive", {"a": CONTENT})
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        extract(tmp_path / "archive", "SERVER", {"a": member(tmp_path)}, stop)


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    as_zip(tmp_path / "archive", {"a": CONTENT})
    content = bytearray((tmp_path / "archive").read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    (tmp_path / "archive").write_bytes(content)
    assert "encrypted" in fault(tmp_path / "archive", {"a": member(tmp_path)})
