"""Check images, npy and npz on the disk: the beginning of a file shows whether a tool can read it."""

from __future__ import annotations

import ast
import math
import mmap
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, BinaryIO

from cvimake.core import listing
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.checks import sample_fit
from cvimake.pipeline.checks.sample_fit import Sample, Shape
from cvimake.project.dataset import IMAGES

# Beginnings of the files that the tool's reader (OpenCV) takes, under any name.
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_BEGINNINGS = (_JPEG, b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"II*\0", b"MM\0*")
_PNG, _PNG_END = b"\x89PNG", b"IEND"
_NPY = b"\x93NUMPY"
_MOST_HEADER = 64 * 1024
# The directory of a zip is read as a whole, so its size is checked first.
_ZIP_END, _ZIP_END_BYTES, _MOST_COMMENT = b"PK\x05\x06", 22, 65535
_MOST_ARRAYS, _MOST_DIRECTORY = 10_000, 4 * 1024 * 1024
_MANY = 5
# numpy's name of a type of numbers, with its bytes.
_NUMBER = re.compile(r"[<>|=]?[fiub](\d+)")


class _FaultError(Exception):
    """A fault of a file."""


def check(
    name: str, samples: Iterable[Sample], memory: int, inputs: Mapping[str, Shape] | None = None
) -> None:
    """Check that tools can read samples, and that the samples fit the network.

    Args:
        name: the stage that reads the samples.
        samples: images, npy and npz; missing files are not reported here.
        memory: bytes that the stage may use.
        inputs: the shapes of the network's inputs; None if they are not known.

    Raises:
        CvimakeError: some cannot be read, or do not fit; the error names them, with the reasons.
    """
    found: dict[Path, Mapping[str, Shape] | None] = {}
    faults: dict[str, None] = {}
    for sample in samples:
        for path in sample.files:
            if path not in found:
                try:
                    found[path] = _arrays(path, memory)
                except _FaultError as error:
                    found[path] = None
                    place = f" (named in {sample.declared})" if sample.declared else ""
                    faults[f"{path}: {error}{place}"] = None
        arrays = {path: known for path in sample.files if (known := found[path]) is not None}
        if inputs and arrays and len(arrays) == len(set(sample.files)):
            faults.update(dict.fromkeys(sample_fit.faults(sample, arrays, inputs)))
    if faults:
        shown = "\n".join(listing.lines(faults, _MANY))
        raise CvimakeError(f"{name}: some of its samples cannot be used", shown)


def unreadable(path: Path, memory: int) -> str:
    """Say why no tool can read a sample; return an empty text if one can, or if the file is missing.

    Args:
        path: an image, npy or npz.
        memory: bytes that the stage may use.
    """
    try:
        _arrays(path, memory)
    except _FaultError as error:
        return str(error)
    return ""


def _arrays(path: Path, memory: int) -> Mapping[str, Shape] | None:
    """Return the shapes of the arrays in a file, by name; empty for an image, None for a missing file.

    Raises:
        _FaultError: no tool can read the file.
    """
    kind = path.suffix.lower()
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if kind == ".npz":
                return _in_npz(file, size, memory)
            if kind == ".npy":
                return {"": _head(file, size)}
            if kind in IMAGES:
                _check_image(file, size)
            return {}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _FaultError(f"cannot be read: {error.strerror}") from error


def _check_image(file: BinaryIO, size: int) -> None:
    head = file.read(16)
    file.seek(max(0, size - 1024))
    end = file.read()
    if not head:
        raise _FaultError("is empty")
    if not head.startswith(_BEGINNINGS):
        raise _FaultError("is no image")
    if head.startswith(_PNG) and _PNG_END not in end:
        raise _FaultError("is cut off")
    if head.startswith(_JPEG) and _JPEG_END not in end and _ends_in_a_scan(file):
        raise _FaultError("is cut off")


def _ends_in_a_scan(file: BinaryIO) -> bool:
    """Tell whether a JPEG ends before its last scan does. Cameras may write more data after the image."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN) or data.rfind(_JPEG_SCAN) < 0


def _in_npz(file: BinaryIO, size: int, memory: int) -> Mapping[str, Shape]:
    if reason := _directory_fault(file, size):
        raise _FaultError(reason)
    shapes: dict[str, Shape] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > memory:
                raise _FaultError(
                    f"unpacks to {total / 1024**3:.1f} GiB, more than the stage's memory limit "
                    f"({memory / 1024**3:.1f} GiB, [tool.cvimake.limits])"
                )
            if not members:
                raise _FaultError("holds no arrays")
            for member in members:
                with archive.open(member) as array:
                    try:
                        shape = _head(array, member.file_size)
                    except _FaultError as error:
                        raise _FaultError(f"{member.filename}: {error}") from error
                shapes[member.filename.removesuffix(".npy")] = shape
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise _FaultError(f"is no npz: {error}") from error
    return shapes


def _directory_fault(file: BinaryIO, size: int) -> str:
    """Say why a zip's directory must not be read; return an empty text if it may be."""
    file.seek(max(0, size - _ZIP_END_BYTES - _MOST_COMMENT))
    end = file.read()
    place = end.rfind(_ZIP_END)
    if place < 0 or len(end) - place < _ZIP_END_BYTES:
        return "is no npz, or cut off"
    entries, length = struct.unpack_from("<HI", end, place + 10)
    if entries > _MOST_ARRAYS or length > _MOST_DIRECTORY:
        return f"holds more than {_MOST_ARRAYS} arrays"
    return ""


def _head(file: IO[bytes], most: int) -> Shape:
    """Read an array's shape from the beginning of its file.

    Args:
        file: the array, from its beginning.
        most: bytes of the whole array.

    Raises:
        _FaultError: the file is not an array of numbers, or is cut off.
    """
    head = file.read(8)
    if len(head) < 8 or not head.startswith(_NPY):  # noqa: PLR2004 - magic and two numbers of the version
        raise _FaultError("is no array")
    size_format = "<H" if head[6] == 1 else "<I"
    size = file.read(struct.calcsize(size_format))
    length = (
        struct.unpack(size_format, size)[0] if len(size) == struct.calcsize(size_format) else _MOST_HEADER + 1
    )
    text = file.read(length) if length <= _MOST_HEADER else b""
    if length > _MOST_HEADER or len(text) < length:
        raise _FaultError("is cut off")
    try:
        described = ast.literal_eval(text.decode("latin-1"))
        kind, shape = str(described["descr"]), tuple(map(int, described["shape"]))
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise _FaultError("is no array") from error
    number = _NUMBER.fullmatch(kind)
    if number is None:
        what = "Python objects" if "O" in kind else f"values of type {kind}"
        raise _FaultError(f"holds {what}, not numbers")
    if 0 in shape:
        raise _FaultError(f"holds nothing: its shape is {shape}")
    if math.prod(shape) * int(number[1]) > most - file.tell():
        raise _FaultError(f"is cut off: it says that its shape is {shape}")
    return shape
