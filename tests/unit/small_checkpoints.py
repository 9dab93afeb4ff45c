"""Zips with a pickle that look like PyTorch's files, made without PyTorch. No network is in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

# The class that Ultralytics saves a detector as.
ULTRALYTICS = ("ultralytics.nn.tasks DetectionModel",)
YOLOV5 = ("models.yolo DetectionModel",)
STATE_DICT = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2")


def pickled(*names: str) -> bytes:
    """Return a pickle that names these, each `module name`, as protocol 2 does."""
    named = b"".join(b"c" + name.replace(" ", "\n").encode() + b"\n0" for name in names)
    return b"\x80\x02" + named + b"N."


def write(path: Path, *names: str, pickle: bytes | None = None) -> Path:
    """Write a checkpoint whose pickle names these, or with another pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled(*names) if pickle is None else pickle)
        archive.writestr("net/data/0", b"\0" * 8)
        archive.writestr("net/version", b"3\n")
    return path
