"""Tells whose checkpoint a file of PyTorch is by the names in its pickle. Nothing of the pickle runs.

A pickle is a program. `pickletools.genops` reads its instructions one by one, and does none of them.
"""

from __future__ import annotations

import itertools
import pickletools
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

# The most bytes and instructions of a pickle that are read. That of a large network has a megabyte, and the
# name of the network's class is among the first hundred instructions.
_MOST_BYTES, _MOST_INSTRUCTIONS = 16 * 1024**2, 500_000
# Modules that only make tensors and the dictionary that holds them.
_OF_TENSORS = frozenset({"collections", "torch", "torch._utils", "torch.serialization", "torch.storage"})
_NAMED = 2
# PyTorch writes members without compression, and can also read the second of these.
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


class Maker(Enum):
    """The program that a checkpoint belongs to."""

    ULTRALYTICS = auto()
    YOLOV5 = auto()
    STATE_DICT = auto()
    OTHER = auto()


def maker(archive: Path, member: str) -> Maker:
    """Return the program that wrote a checkpoint, as its pickle says. Nothing of it is unpickled.

    Args:
        archive: a zip, as PyTorch writes it.
        member: the name of the pickle in it.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if opened.getinfo(member).compress_type not in _COMPRESSIONS:
                return Maker.OTHER
            with opened.open(member) as file:
                text = file.read(_MOST_BYTES)
    # zipfile raises RuntimeError for an encrypted member, and NotImplementedError for other features of the
    # format that it does not know. Errors of the decompressor are not turned into its own.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error):
        return Maker.OTHER
    modules = set[str]()
    try:
        for module in itertools.islice(_modules(text), _MOST_INSTRUCTIONS):
            if module.partition(".")[0] == "ultralytics":
                return Maker.ULTRALYTICS
            if module in {"models.yolo", "models.common"}:
                return Maker.YOLOV5
            modules.add(module)
    except (ValueError, struct.error, OverflowError):
        return Maker.OTHER
    return Maker.STATE_DICT if modules - {""} and modules <= {*_OF_TENSORS, ""} else Maker.OTHER


def _modules(text: bytes) -> Iterator[str]:
    """Yield for each instruction of a pickle the module that it names; an empty text for none.

    Raises:
        ValueError: it is no pickle, or is cut off.
    """
    texts = deque[str](maxlen=_NAMED)
    for instruction, argument, _ in pickletools.genops(text):
        if instruction.name == "GLOBAL":
            yield str(argument).partition(" ")[0]
        elif instruction.name == "STACK_GLOBAL":
            yield texts[0] if len(texts) == _NAMED else ""
        else:
            if isinstance(argument, str):
                texts.append(argument)
            yield ""
