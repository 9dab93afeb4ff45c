"""Images, npy and npz as they lie on the disk: whether a tool can read them, by their heads alone."""

from __future__ import annotations

import ast
import math
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from cvimake.errors import CvimakeError

# What the tool's reader (OpenCV) takes, whatever the file is called.
_IMAGES = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF", b"II*\0", b"MM\0*")
_PNG, _PNG_END = b"\x89PNG", b"IEND"
_NPY = b"\x93NUMPY"
_MOST_HEADER = 64 * 1024
# The directory of a zip: it is read whole, so its size is looked at first.
_ZIP_END, _ZIP_END_BYTES, _MOST_COMMENT = b"PK\x05\x06", 22, 65535
_MOST_ARRAYS, _MOST_DIRECTORY = 10_000, 4 * 1024 * 1024
_MANY = 5
# How numpy calls a type of numbers, with its bytes.
_NUMBER = re.compile(r"[<>|=]?[fiub](\d+)")


def check(name: str, paths: Iterable[Path], memory: int) -> None:
    """Sees that tools can read files, before a container starts.

    Args:
        name: of the stage that they are for.
        paths: images, npy and npz; others and those that are not there are for others to judge.
        memory: bytes that the stage may use.

    Raises:
        CvimakeError: some cannot be read; says which, and why.
    """
    faults = [f"{path}: {what}" for path in dict.fromkeys(paths) for what in _faults(path, memory)]
    if faults:
        shown = [*faults[:_MANY], *([f"and {len(faults) - _MANY} more"] if len(faults) > _MANY else [])]
        raise CvimakeError(f"{name}: what it reads is not as it should be", "\n".join(shown))


def _faults(path: Path, memory: int) -> Iterator[str]:
    kind = path.suffix.lower()
    try:
        if kind == ".npz":
            yield from _npz_faults(path, memory)
        elif kind == ".npy":
            with path.open("rb") as file:
                yield from _npy_faults(file, path.stat().st_size)
        elif kind in {".jpg", ".jpeg", ".png", ".bmp", ".jfif"}:
            yield from _image_faults(path)
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"cannot be read: {error.strerror}"


def _image_faults(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(max(0, path.stat().st_size - 1024))
        end = file.read()
    if not head:
        yield "is empty"
    elif not head.startswith(_IMAGES):
        yield "is no image"
    elif head.startswith(_PNG) and _PNG_END not in end:
        yield "is cut off"


def _npz_faults(path: Path, memory: int) -> Iterator[str]:
    with path.open("rb") as file:
        if reason := _directory_fault(file, path.stat().st_size):
            yield reason
            return
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                total = sum(member.file_size for member in members)
                if total > memory:
                    yield (
                        f"unpacks to {total / 1024**3:.1f} GiB, more than the step's memory limit "
                        f"({memory / 1024**3:.1f} GiB, [tool.cvimake.limits])"
                    )
                elif not members:
                    yield "holds no arrays"
                for member in members[:_MANY] if total <= memory else []:
                    with archive.open(member) as array:
                        yield from (
                            f"{member.filename}: {what}" for what in _npy_faults(array, member.file_size)
                        )
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
        ) as error:
            yield f"is no npz: {error}"


def _directory_fault(file: BinaryIO, size: int) -> str:
    """Why a zip's directory is better not read; empty if it may be."""
    file.seek(max(0, size - _ZIP_END_BYTES - _MOST_COMMENT))
    end = file.read()
    place = end.rfind(_ZIP_END)
    if place < 0 or len(end) - place < _ZIP_END_BYTES:
        return "is no npz, or cut off"
    entries, length = struct.unpack_from("<HI", end, place + 10)
    if entries > _MOST_ARRAYS or length > _MOST_DIRECTORY:
        return f"holds more than {_MOST_ARRAYS} arrays"
    return ""


def _npy_faults(file: IO[bytes], most: int) -> Iterator[str]:
    """What is wrong with an array by its head, and by how many bytes there are at most."""
    head = file.read(8)
    if len(head) < 8 or not head.startswith(_NPY):  # noqa: PLR2004 - magic and two numbers of the version
        yield "is no array"
        return
    size_format = "<H" if head[6] == 1 else "<I"
    size = file.read(struct.calcsize(size_format))
    length = (
        struct.unpack(size_format, size)[0] if len(size) == struct.calcsize(size_format) else _MOST_HEADER + 1
    )
    text = file.read(length) if length <= _MOST_HEADER else b""
    if length > _MOST_HEADER or len(text) < length:
        yield "is cut off"
        return
    try:
        described = ast.literal_eval(text.decode("latin-1"))
        kind, shape = str(described["descr"]), tuple(described["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        yield "is no array"
        return
    if "O" in kind:
        yield "holds Python objects, not numbers"
    elif 0 in shape:
        yield f"holds nothing: its shape is {shape}"
    elif (number := _NUMBER.fullmatch(kind)) and math.prod(shape) * int(number[1]) > most - file.tell():
        yield f"is cut off: it says that its shape is {shape}"
