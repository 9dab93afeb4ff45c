"""The version numbers of an ONNX file, read without the network: it can be larger than memory.

Source: `onnx.proto`, message ModelProto (ir_version = 1, opset_import = 8).
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.core.protobuf import BYTES, VARINT, BrokenError, Field, TooManyError, Walk

# The newest opset that an onnxruntime for the toolchain's Python 3.10 runs. The conversion of a newer network
# could not be checked.
NEWEST_OPSET = 23

_IR_VERSION, _OPSET_IMPORT = 1, 8
_DOMAIN, _VERSION = 1, 2
_SMALL_MESSAGE = 1024
# The most bytes of one ONNX file, and the toolchain gets one file.
_LARGEST = 2**31 - 1
# A model holds its graph, some versions, and notes of its exporter.
_MOST_FIELDS = 100_000


@dataclass(frozen=True)
class Versions:
    """An ONNX file's format (IR) version and the version of its operators (opset)."""

    ir: int
    opset: int


def check(path: Path, external_data: Sequence[str] = ()) -> None:
    """Check that an ONNX file can be converted for the toolchain.

    Args:
        path: the file.
        external_data: the files beside it that hold its weights, relative to its folder.

    Raises:
        CvimakeError: it is not an ONNX file, or too new or too large, or its weights are elsewhere.
    """
    versions = read(path)
    if versions.opset > NEWEST_OPSET:
        raise CvimakeError(
            f"{path} has opset {versions.opset}. An onnxruntime for the toolchain's Python 3.10 runs at most "
            f"opset {NEWEST_OPSET}, so the conversion of this network could not be checked",
            f"Export it with opset {NEWEST_OPSET} or older; 17 needs no conversion (Ultralytics: yolo export "
            "opset=17; torch.onnx.export: opset_version=17).",
        )
    for name in external_data:
        _check_place(path, name)
    size = sum(file.stat().st_size for file in (path, *(path.parent / name for name in external_data)))
    if size > _LARGEST:
        raise CvimakeError(
            f"{path} has {size / 1024**3:.1f} GB with its weights; an ONNX file holds at most "
            "2 GB, and a camera some MB"
        )


def _check_place(path: Path, name: str) -> None:
    """Check that a file with weights lies in the network's own folder."""
    file = path.parent / name
    # A name that leads out of the folder and in again would lead elsewhere in a copy of the folder.
    leads_out = Path(name).is_absolute() or ".." in Path(name).parts
    if not leads_out and not file.is_file():
        raise CvimakeError(
            f"{path} keeps weights in {name!r}, and there is no such file beside it",
            "Put it there: a network that was exported as several files needs all of them.",
        )
    if leads_out or not file.resolve().is_relative_to(path.parent.resolve()):
        raise CvimakeError(
            f"{file} leads out of {path.parent}, but weights are only read from that folder",
            "Put the file itself there.",
        )


def read(path: Path) -> Versions:
    """Return the versions of an ONNX file.

    Raises:
        CvimakeError: it is not an ONNX file, or is cut off.
        OSError: it cannot be read.
    """
    ir = opset = 0
    with path.open("rb") as file:
        try:
            # An empty file cannot be mapped: that is a ValueError.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                walk = Walk(data, _MOST_FIELDS)
                for field in walk.fields(0, len(data)):
                    if (field.number, field.wire) == (_IR_VERSION, VARINT):
                        ir = field.value
                    elif (field.number, field.wire) == (_OPSET_IMPORT, BYTES):
                        domain, version = _opset(walk, field)
                        opset = version if domain in {b"", b"ai.onnx"} else opset
        except (BrokenError, TooManyError, ValueError):
            ir = 0
    if not (ir and opset):
        raise CvimakeError(f"{path} is not an ONNX file, or is cut off")
    return Versions(ir, opset)


def _opset(walk: Walk, message: Field) -> tuple[bytes, int]:
    """Return the domain and the version of one opset_import."""
    domain, version = b"", 0
    if message.end - message.start > _SMALL_MESSAGE:
        raise BrokenError
    for field in walk.fields(message.start, message.end):
        if (field.number, field.wire) == (_DOMAIN, BYTES):
            domain = walk.data[field.start : field.end]
        elif (field.number, field.wire) == (_VERSION, VARINT):
            version = field.value
    return domain, version
