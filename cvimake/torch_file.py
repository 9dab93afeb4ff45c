"""What a `.pt` file is, told by its structure: nothing in it is run, and a pickle can run anything."""

from __future__ import annotations

import struct
import zipfile
from enum import Enum
from pathlib import Path

# As much as the list of a file's members may hold; a large network's holds less than one MB.
_LONGEST_LIST = 32 * 1024**2
# What ends a zip: the record of where its list is, and a comment.
_LONGEST_END = 65536 + 256
_END, _LONG_END = b"PK\x05\x06", b"PK\x06\x06"
_ZIP = b"PK\x03\x04"
_IN_LONG_END = 0xFFFFFFFF
# Pickle's protocols since PyTorch exists: what `torch.save` wrote until 1.6.
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
# Where a tar says that it is one: what `torch.save` wrote before 0.2.
_TAR, _TAR_PLACE = b"ustar", 257


class TorchKind(Enum):
    """What a `.pt` file can be."""

    TORCHSCRIPT = "TorchScript"
    CHECKPOINT = "a training checkpoint"
    OTHER = "not a file of PyTorch's"


def kind_of(path: Path) -> TorchKind:
    """What a `.pt` file is.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        beginning = file.read(_TAR_PLACE + len(_TAR))
    if not beginning.startswith(_ZIP):
        is_pickle = beginning.startswith(_PICKLES) or beginning.endswith(_TAR)
        return TorchKind.CHECKPOINT if is_pickle else TorchKind.OTHER
    # All members lie in one folder, which has the name that the file was saved under.
    names = [name.partition("/")[2] for name in _members(path)]
    if any(name.startswith("code/") for name in names):
        return TorchKind.TORCHSCRIPT
    return TorchKind.CHECKPOINT if "data.pkl" in names else TorchKind.OTHER


def fault(path: Path) -> str:
    """Why the toolchain cannot read a `.pt` file, and what to do; empty where it can.

    Raises:
        OSError: it cannot be read.
    """
    kind = kind_of(path)
    if kind is TorchKind.CHECKPOINT:
        return (
            f"{path.name} is a training checkpoint (a pickle), which only the program that made it can read. "
            f"Export the network: yolo export model={path.name} format=onnx opset=17 (Ultralytics), "
            "torch.onnx.export(...), or for TorchScript torch.jit.trace(network.eval(), example).save(...)"
        )
    if kind is TorchKind.OTHER:
        return (
            f"{path.name} is not TorchScript, or is cut off. "
            "Make it with torch.jit.trace(network.eval(), example).save(...)"
        )
    return ""


def _members(path: Path) -> list[str]:
    """The names of a zip's members; none where it is damaged."""
    if _list_size(path) > _LONGEST_LIST:
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


def _list_size(path: Path) -> int:
    """How many bytes a zip's list of members says that it has; 0 where there is none."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_END))
        tail = file.read(_LONGEST_END)
    found = tail.rfind(_END)
    if found < 0 or len(tail) - found < 22:  # noqa: PLR2004 - the record's length
        return 0
    size: int = struct.unpack_from("<L", tail, found + 12)[0]
    longer = tail.rfind(_LONG_END)
    if size == _IN_LONG_END and 0 <= longer <= len(tail) - 48:
        size = struct.unpack_from("<Q", tail, longer + 40)[0]
    return size
