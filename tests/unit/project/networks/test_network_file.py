from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from rights import as_anybody

from cvimake.core.errors import CvimakeError
from cvimake.project.networks.network_file import Kind, check, name_fault


class Bomb:
    """Shows that it was unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


BOMB = pickle.dumps({"epoch": 3, "model": Bomb()}, protocol=2)
TORCHSCRIPT = ("net/data.pkl", "net/code/__torch__.py", "net/constants.pkl", "net/version")
CHECKPOINT = ("net/data.pkl", "net/data/0", "net/version")
TFLITE = b"\x1c\0\0\0TFL3" + bytes(40)


def zipped(path: Path, *names: str, content: bytes = BOMB) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pt"


def refused(path: Path) -> str:
    with pytest.raises(CvimakeError) as caught:
        check(path)
    return str(caught.value)


# What is read


def test_torchscript_is_told_by_its_code(path: Path) -> None:
    assert check(zipped(path, *TORCHSCRIPT)) is Kind.TORCHSCRIPT


def test_tflite_is_told_by_its_mark(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(TFLITE)
    assert check(tmp_path / "net.tflite") is Kind.TFLITE


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("net.onnx", b"\x08\x08\x12\x07pytorch", Kind.ONNX),
        ("net.prototxt", b'name: "N"\n', Kind.CAFFE),
        ("net.onnx", b"", Kind.ONNX),
    ],
)
def test_a_format_without_a_signature_is_told_by_the_file_name(
    tmp_path: Path, name: str, content: bytes, kind: Kind
) -> None:
    (tmp_path / name).write_bytes(content)
    assert check(tmp_path / name) is kind


# Checkpoints


def test_a_checkpoint_is_told_without_unpickling_it_and_answered_with_the_commands_that_export_it(
    path: Path,
) -> None:
    told = refused(zipped(path, *CHECKPOINT))
    assert f"{path} is a training checkpoint" in told
    assert "yolo export model=net.pt format=onnx opset=17" in told
    assert "torch.jit.trace" in told


def test_a_checkpoint_of_an_older_pytorch_is_a_bare_pickle(path: Path) -> None:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    path.write_bytes(magic + BOMB)
    assert "is a training checkpoint" in refused(path)


def test_a_checkpoint_of_the_oldest_pytorch_is_a_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    assert "is a training checkpoint" in refused(path)


@pytest.mark.parametrize("suffix", [".onnx", ".prototxt", ".tflite"])
def test_a_checkpoint_is_one_whatever_it_is_called(path: Path, suffix: str) -> None:
    assert "is a training checkpoint" in refused(zipped(path.with_suffix(suffix), *CHECKPOINT))


# What is something else than its name says


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04" * 9999, b"\x08\x08\x12\x07pytorch", b"once upon a time"]
)
def test_a_pt_file_that_is_not_torchscript_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is not TorchScript, or is cut off\n  Make it with torch.jit.trace" in refused(path)


def test_a_file_that_is_not_tflite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"once upon a time")
    assert "is not TFLite, or is cut off" in refused(tmp_path / "net.tflite")


def test_a_zip_of_something_else_is_told(path: Path) -> None:
    assert "is not TorchScript, or is cut off" in refused(zipped(path, "word/document.xml"))


@pytest.mark.parametrize("member", ["net/archive_format", "serialized_exported_program.json"])
def test_a_program_of_torch_export_is_named_with_the_command_that_converts_it(
    path: Path, member: str
) -> None:
    told = refused(zipped(path, member))
    assert "is a program of PyTorch's torch.export. It was not opened" in told
    assert f"torch.onnx.export(torch.export.load('{path.name}'), f='{path.stem}.onnx', dynamo=True)" in told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("net.onnx", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS's pointer"),
        ("net.onnx", b"\x89HDF\r\n", "HDF5"),
        ("net.onnx", TFLITE, "is TFLite\n  Give it the suffix .tflite"),
        ("net.pt", TFLITE, "is TFLite"),
    ],
)
def test_a_format_with_a_signature_is_recognised(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert told in refused(tmp_path / name)


def test_torchscript_under_another_name_is_named(tmp_path: Path) -> None:
    told = refused(zipped(tmp_path / "net.onnx", *TORCHSCRIPT))
    assert "is TorchScript\n  Give it the suffix .pt" in told


# Names


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CHECKPOINT])
def test_the_names_that_the_toolchain_reads_are_right(kind: Kind) -> None:
    assert name_fault(f"net{kind.value}") == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("net.caffemodel", "Give its .prototxt"),
        ("net.pth", "PyTorch's checkpoints"),
        ("net.pt2", "torch.onnx.export(torch.export.load('net.pt2'), f='net.onnx', dynamo=True)"),
        ("net.bin", ".bin: the toolchain reads .onnx, .prototxt, .tflite, .pt"),
        ("net", "no suffix: the toolchain reads"),
    ],
)
def test_unknown_formats_are_refused_with_a_remedy(tmp_path: Path, name: str, told: str) -> None:
    assert told in name_fault(name)
    assert told in refused(tmp_path / name)


# Damage


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_not_torchscript(path: Path, part: float) -> None:
    whole = zipped(path, *TORCHSCRIPT).read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert "is not TorchScript, or is cut off" in refused(path)


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
    assert "is not TorchScript, or is cut off" in refused(path)


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    assert f"{path} cannot be read: No such file" in refused(path)


def test_a_file_that_may_not_be_read_is_told(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0)
    with as_anybody():
        assert f"{path} cannot be read: Permission denied" in refused(path)
