from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import docker.errors
import pytest

from cvimake.core.action import Limits
from cvimake.execution.engine import Command, Mount
from cvimake.execution.engine.files import Archives, BindMounts, Files


class FakeContainer:
    """A container that keeps the archives it is given, and gives those it has."""

    def __init__(self, results: dict[str, bytes] | None = None) -> None:
        self.received: dict[str, dict[str, tarfile.TarInfo]] = {}
        self.contents: dict[str, bytes] = {}
        self.results = results or {}

    def put_archive(self, path: str, archive: BinaryIO) -> None:
        with tarfile.open(fileobj=archive) as received:
            members = received.getmembers()
            self.received[path] = {member.name: member for member in members}
            for member in members:
                if content := received.extractfile(member):
                    self.contents[f"{path}/{member.name}"] = content.read()

    def get_archive(self, path: str, chunk_size: int) -> tuple[Iterator[bytes], dict[str, Any]]:
        assert chunk_size > 0
        if path not in self.results:
            raise docker.errors.NotFound(path)
        whole = self.results[path]
        # In pieces of any size.
        return iter([whole[:1], b"", whole[1:700], whole[700:]]), {}


def archive_of(name: str, content: bytes = b"", **attributes: Any) -> bytes:  # noqa: ANN401 - TarInfo's
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for attribute, value in attributes.items():
            setattr(member, attribute, value)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "work" / "files").mkdir(parents=True)
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    (tmp_path / "samples" / "inner").mkdir(parents=True)
    (tmp_path / "samples" / "inner" / "a.jpg").write_bytes(b"jpeg")
    return Command(
        name="net:mlir",
        image="sha256:abc",
        argv=("tool", "it's"),
        environment={},
        mounts=(
            Mount(source=tmp_path / "work" / "files", target="/workspace", read_only=False),
            Mount(source=tmp_path / "net.onnx", target="/workspace/net.onnx", read_only=True),
            Mount(source=tmp_path / "samples", target="/dataset", read_only=True),
        ),
        working_directory="/workspace",
        user=(1000, 1001),
        limits=Limits(),
        results=("net.mlir", "net.npz"),
    )


def test_inputs_travel_as_files_that_are_roots_and_closed_to_writing(command: Command) -> None:
    container: Any = FakeContainer()
    Archives().send(command, container)
    assert container.contents == {"/workspace/net.onnx": b"onnx", "/dataset/inner/a.jpg": b"jpeg"}
    for path, name in (("/workspace", "net.onnx"), ("/dataset", "inner/a.jpg")):
        member = container.received[path][name]
        assert (member.uid, member.gid, member.mode, member.mtime) == (0, 0, 0o444, 0)


def test_inputs_are_copied_into_volumes_that_end_with_the_container(command: Command) -> None:
    mounts = Archives().mounts(command)
    assert [(mount["Target"], mount["Type"], mount["Source"]) for mount in mounts] == [
        ("/workspace", "volume", None),
        ("/dataset", "volume", None),
    ]


def test_the_wanted_results_come_back(command: Command, tmp_path: Path) -> None:
    container: Any = FakeContainer({"/workspace/net.mlir": archive_of("net.mlir", b"module" * 300)})
    Archives().fetch(command, container)
    files = tmp_path / "work" / "files"
    assert [path.name for path in files.iterdir()] == ["net.mlir"]
    assert (files / "net.mlir").read_bytes() == b"module" * 300


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.FIFOTYPE},
    ],
)
def test_only_plain_files_are_fetched(command: Command, tmp_path: Path, attributes: dict[str, Any]) -> None:
    container: Any = FakeContainer({"/workspace/net.mlir": archive_of("net.mlir", **attributes)})
    Archives().fetch(command, container)
    assert list((tmp_path / "work" / "files").iterdir()) == []


def test_a_result_never_leaves_its_place(command: Command, tmp_path: Path) -> None:
    container: Any = FakeContainer({"/workspace/net.mlir": archive_of("../../evil", b"x")})
    Archives().fetch(command, container)
    assert (tmp_path / "work" / "files" / "net.mlir").read_bytes() == b"x"
    assert not list(tmp_path.rglob("evil"))


def test_parts_of_the_work_come_back_and_only_plain_files(command: Command, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, attributes in (
            ("parts", {"type": tarfile.DIRTYPE}),
            ("parts/0.json", {}),
            ("parts/1.json", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
            ("../../evil", {}),
        ):
            member = tarfile.TarInfo(name)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            member.size = 0 if attributes else 2
            archive.addfile(member, io.BytesIO(b"{}"))
    container: Any = FakeContainer({"/workspace/parts": out.getvalue()})
    Archives().fetch_parts(dataclasses.replace(command, parts="parts"), container)
    parts = tmp_path / "work" / "files" / "parts"
    assert sorted(path.name for path in parts.iterdir()) == ["0.json", "evil"]
    assert (parts / "0.json").read_bytes() == b"{}"


def test_an_engine_that_sees_our_files_gets_mounts_and_nothing_travels(command: Command) -> None:
    container: Any = FakeContainer()
    BindMounts().send(command, container)
    BindMounts().fetch(command, container)
    assert container.received == {}
    assert [(mount["Type"], mount["ReadOnly"]) for mount in BindMounts().mounts(command)] == [
        ("bind", False),
        ("bind", True),
        ("bind", True),
    ]


@pytest.mark.parametrize("files", [BindMounts(), Archives()])
def test_the_command_by_hand_is_shell(command: Command, files: BindMounts | Archives) -> None:
    line = files.by_hand(command, "--network none", "$W")
    checked = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)
    assert checked.stderr == ""
    assert "'it'\"'\"'s'" in line


def test_a_command_whose_files_are_copies_elsewhere_has_no_folder_here(command: Command) -> None:
    assert BindMounts().seen_folder(command) == command.host_folder
    elsewhere: Files = Archives()
    assert elsewhere.seen_folder(command) is None
