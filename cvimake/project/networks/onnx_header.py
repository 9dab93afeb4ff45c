"""The version numbers of an ONNX file, read without the network: it can be larger than memory.

Source: `onnx.proto`, message ModelProto (ir_version = 1, opset_import = 8) and protobuf's wire format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cvimake.core.errors import CvimakeError

# The newest that an onnxruntime for the toolchain's Python 3.10 runs: what it cannot run cannot be proven.
NEWEST_OPSET = 23

_IR_VERSION, _OPSET_IMPORT = 1, 8
_DOMAIN, _VERSION = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SMALL_MESSAGE = 1024
# What one ONNX file holds, in bytes; the toolchain gets one.
_LARGEST = 2**31 - 1
_VARINT_BYTES = 10
# A model holds its graph, some versions, and notes of its exporter.
_MOST_FIELDS = 100_000


@dataclass(frozen=True)
class Versions:
    """An ONNX file's format (IR) version and the version of its operators (opset)."""

    ir: int
    opset: int


def check(path: Path, external_data: Sequence[str] = ()) -> None:
    """Sees that an ONNX file can be converted for the toolchain.

    Args:
        path: the file.
        external_data: the files beside it that hold its weights, relative to its folder.

    Raises:
        CvimakeError: it is not an ONNX file, or too new or too large, or its weights are elsewhere.
    """
    versions = read(path)
    if versions.opset > NEWEST_OPSET:
        raise CvimakeError(
            f"{path} is opset {versions.opset}; {NEWEST_OPSET} is the newest that an onnxruntime for the "
            "toolchain's Python 3.10 runs, and the conversion of a newer one cannot be proven",
            f"Export it with opset {NEWEST_OPSET} or older; 17 needs no conversion (Ultralytics: yolo export "
            "opset=17; torch.onnx.export: opset_version=17).",
        )
    for name in external_data:
        _check_place(path, name)
    size = sum(file.stat().st_size for file in (path, *(path.parent / name for name in external_data)))
    if size > _LARGEST:
        raise CvimakeError(
            f"{path} is of {size / 1024**3:.1f} GB with its weights; an ONNX file holds 2, a camera some MB"
        )


def _check_place(path: Path, name: str) -> None:
    """Sees that a file with weights lies in the network's own folder."""
    file = path.parent / name
    # A name that leads out and in again would lead elsewhere from a copy.
    leads_out = Path(name).is_absolute() or ".." in Path(name).parts
    if not leads_out and not file.is_file():
        raise CvimakeError(
            f"{path} keeps weights in {name!r}, and there is no such file beside it",
            "Put it there: a network that was exported as several files is all of them together.",
        )
    if leads_out or not file.resolve().is_relative_to(path.parent.resolve()):
        raise CvimakeError(
            f"{file} leads out of {path.parent}, and weights are taken from there only",
            "Put the file itself there.",
        )


def read(path: Path) -> Versions:
    """The versions of an ONNX file.

    Raises:
        CvimakeError: it is not one, or cut off.
        OSError: it cannot be read.
    """
    ir, opset, fields = 0, 0, 0
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            while file.tell() < size and fields <= _MOST_FIELDS:
                fields += 1
                key = _varint(file)
                field, kind = key >> 3, key & 7
                if field == _IR_VERSION and kind == _VARINT:
                    ir = _varint(file)
                elif field == _OPSET_IMPORT and kind == _BYTES:
                    domain, version = _opset(file, _length(file, size))
                    opset = version if domain in {b"", b"ai.onnx"} else opset
                else:
                    _skip(file, kind, size)
        except EOFError:
            ir = 0
    if not (ir and opset) or fields > _MOST_FIELDS:
        raise CvimakeError(f"{path} is not an ONNX file, or is cut off")
    return Versions(ir, opset)


def _opset(file: BinaryIO, length: int) -> tuple[bytes, int]:
    """Domain and version of one opset_import."""
    domain, version, end = b"", 0, file.tell() + length
    if length > _SMALL_MESSAGE:
        raise EOFError
    while file.tell() < end:
        key = _varint(file)
        if key == _DOMAIN << 3 | _BYTES:
            domain = file.read(_length(file, end))
        elif key == _VERSION << 3 | _VARINT:
            version = _varint(file)
        else:
            _skip(file, key & 7, end)
    return domain, version


def _varint(file: BinaryIO) -> int:
    value = 0
    for position in range(_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << (7 * position)
        if byte[0] < 0x80:  # noqa: PLR2004 - the last byte of a number has its high bit clear
            return value
    raise EOFError


def _length(file: BinaryIO, end: int) -> int:
    length = _varint(file)
    if file.tell() + length > end:
        raise EOFError
    return length


def _skip(file: BinaryIO, kind: int, end: int) -> None:
    if kind == _VARINT:
        _varint(file)
    elif kind == _BYTES:
        file.seek(_length(file, end), 1)
    elif kind in {_FIXED64, _FIXED32}:
        file.seek(8 if kind == _FIXED64 else 4, 1)
        if file.tell() > end:
            raise EOFError
    else:
        raise EOFError
