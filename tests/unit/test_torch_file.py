from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from cvimake.torch_file import TorchKind, fault, kind_of


class Bomb:
    """Shows that it was unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


BOMB = pickle.dumps({"epoch": 3, "model": Bomb()}, protocol=2)


def zipped(path: Path, *names: str, content: bytes = BOMB) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pt"


TORCHSCRIPT = ("net/data.pkl", "net/code/__torch__.py", "net/constants.pkl", "net/version")
CHECKPOINT = ("net/data.pkl", "net/data/0", "net/version")


def test_torchscript_is_told_by_its_code(path: Path) -> None:
    assert kind_of(zipped(path, *TORCHSCRIPT)) is TorchKind.TORCHSCRIPT
    assert fault(path) == ""


def test_a_checkpoint_is_told_without_unpickling_it(path: Path) -> None:
    assert kind_of(zipped(path, *CHECKPOINT)) is TorchKind.CHECKPOINT


def test_a_checkpoint_of_an_older_pytorch_is_a_bare_pickle(path: Path) -> None:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    path.write_bytes(magic + BOMB)
    assert kind_of(path) is TorchKind.CHECKPOINT


def test_a_checkpoint_of_the_oldest_pytorch_is_a_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    assert kind_of(path) is TorchKind.CHECKPOINT


def test_a_checkpoint_is_answered_with_the_commands_that_export_it(path: Path) -> None:
    text = fault(zipped(path, *CHECKPOINT))
    assert "yolo export model=net.pt format=onnx opset=17" in text
    assert "torch.jit.trace" in text


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04", b"\x08\x08\x12\x07pytorch", b"PK\x03\x04" * 9999]
)
def test_anything_else_is_not_pytorchs(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert kind_of(path) is TorchKind.OTHER
    assert "not TorchScript, or is cut off" in fault(path)


def test_a_zip_of_something_else_is_not_pytorchs(path: Path) -> None:
    assert kind_of(zipped(path, "word/document.xml")) is TorchKind.OTHER


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_not_torchscript(path: Path, part: float) -> None:
    whole = zipped(path, *TORCHSCRIPT).read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert kind_of(path) is TorchKind.OTHER


@pytest.mark.parametrize("long", [False, True])
def test_a_list_of_members_that_would_fill_the_memory_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, long: bool
) -> None:
    content = bytearray(zipped(path, *TORCHSCRIPT).read_bytes())
    place = content.rindex(b"PK\x05\x06")
    struct.pack_into("<L", content, place + 12, 0xFFFFFFFF if long else 2**31)
    if long:
        content[place:place] = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 4, 4, 2**40, 0)
    path.write_bytes(content)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert kind_of(path) is TorchKind.OTHER


def test_a_file_that_cannot_be_read_is_the_callers_to_tell(path: Path) -> None:
    with pytest.raises(OSError, match=r"net\.pt"):
        kind_of(path)
