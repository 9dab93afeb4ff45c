"""What a network's file is, by its name and its first bytes.

Nothing in it is opened that could run: a pickle, as which PyTorch saves, can run anything.
"""

from __future__ import annotations

import struct
import zipfile
from enum import Enum
from pathlib import Path

from cvimake.core.errors import CvimakeError


class Kind(Enum):
    """The kinds of networks that the toolchain reads, by the suffix that it tells them by."""

    ONNX = ".onnx"
    CAFFE = ".prototxt"
    TFLITE = ".tflite"
    TORCHSCRIPT = ".pt"


# Files of networks that are not read, and what to do.
_PADDLE = (
    "is Paddle's. tpu_mlir 1.7 has no front end for it, and the PaddlePaddle that it names is gone from the "
    "package index. Convert the network to ONNX: paddle2onnx --opset_version 17"
)
_KERAS = "is Keras'. Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)"
_UNREADABLE = {
    ".caffemodel": "holds a Caffe network's weights: the network is its .prototxt, and these go with it",
    ".h5": _KERAS,
    ".keras": _KERAS,
    ".pb": "is TensorFlow's. Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)",
    ".pdmodel": _PADDLE,
    ".pdiparams": _PADDLE,
    ".pth": "is how PyTorch's checkpoints are called. Export the network to ONNX (torch.onnx.export), or to "
    "TorchScript (torch.jit.trace(network.eval(), example).save(...)), which is called .pt",
    ".pt2": "is PyTorch's torch.export. Export the network to ONNX (torch.onnx.export), or to TorchScript",
}

_CHECKPOINT = (
    "a training checkpoint (a Python pickle): it holds weights, and no graph without the program that made "
    "it. It was not opened, since a pickle can run anything"
)
_POINTER = "Git LFS's pointer, not the file itself"
_KERAS_FILE = "an HDF5 file, as Keras writes it"
_TFLITE_FILE, _TORCHSCRIPT_FILE = "TFLite", "TorchScript"
# The kinds that have a mark; what is no ONNX or Caffe is told by who reads it.
_MARKED = {Kind.TFLITE: _TFLITE_FILE, Kind.TORCHSCRIPT: _TORCHSCRIPT_FILE}
_MAKING = {
    _TFLITE_FILE: "Convert the network anew, with tf.lite.TFLiteConverter.",
    _TORCHSCRIPT_FILE: "Make it with torch.jit.trace(network.eval(), example).save(...)",
}
_REMEDIES = {
    _CHECKPOINT: "Export it where it was trained:\n"
    "Ultralytics: yolo export model={name} format=onnx opset=17 simplify=False\n"
    "PyTorch: torch.onnx.export(network, example, 'network.onnx', opset_version=17)\n"
    "or as TorchScript: torch.jit.trace(network.eval(), example).save('network.pt')",
    _POINTER: "git lfs pull",
    _KERAS_FILE: "Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)",
    _TFLITE_FILE: f"Such a file is called {Kind.TFLITE.value}",
    _TORCHSCRIPT_FILE: f"Such a file is called {Kind.TORCHSCRIPT.value}",
}
# Where what stands in a file that says what it is.
_MARKS = (
    (0, b"version https://git-lfs", _POINTER),
    (0, b"\x89HDF", _KERAS_FILE),
    (4, b"TFL3", _TFLITE_FILE),
    # Pickle's protocols since PyTorch exists: what `torch.save` wrote until 1.6.
    *((0, bytes((0x80, protocol)), _CHECKPOINT) for protocol in range(2, 6)),
    # A tar: what `torch.save` wrote before 0.2.
    (257, b"ustar", _CHECKPOINT),
)
_MARKED_BYTES = 512
_ZIP = b"PK\x03\x04"
# As much as the list of a zip's members may hold; a large network's holds less than one MB.
_LONGEST_LIST = 32 * 1024**2
# What ends a zip: the record of where its list is, and a comment.
_LONGEST_END = 65536 + 256
_END, _LONG_END = b"PK\x05\x06", b"PK\x06\x06"
_IN_LONG_END = 0xFFFFFFFF


def name_fault(name: str) -> str:
    """Why the toolchain cannot read a file of such a name, and what to do; empty where it can."""
    suffix = Path(name).suffix
    if suffix in _UNREADABLE:
        return f"{suffix} {_UNREADABLE[suffix]}"
    if suffix not in {kind.value for kind in Kind}:
        return f"{suffix or 'no suffix'}: the toolchain reads {', '.join(kind.value for kind in Kind)}"
    return ""


def check(path: Path) -> Kind:
    """Sees that a file begins as its name says; returns what it is.

    Raises:
        CvimakeError: it is something else, or cannot be read; says what to do.
    """
    if what := name_fault(path.name):
        raise CvimakeError(f"{path}: {what}")
    kind = Kind(path.suffix)
    try:
        found = _content(path)
    except OSError as error:
        raise CvimakeError(f"{path} cannot be read: {error.strerror}") from error
    wanted = _MARKED.get(kind, "")
    if found == wanted:
        return kind
    if found:
        raise CvimakeError(f"{path} is {found}", _REMEDIES.get(found, "").format(name=path.name))
    raise CvimakeError(f"{path} is not {wanted}, or is cut off", _MAKING[wanted])


def _content(path: Path) -> str:
    """What a file is by its beginning; empty where that says nothing."""
    with path.open("rb") as file:
        start = file.read(_MARKED_BYTES)
    if not start.startswith(_ZIP):
        return next((what for place, mark, what in _MARKS if start.startswith(mark, place)), "")
    # All members of PyTorch's lie in one folder, which has the name that the file was saved under.
    names = [name.partition("/")[2] for name in _members(path)]
    if any(name.startswith("code/") for name in names):
        return _TORCHSCRIPT_FILE
    return _CHECKPOINT if "data.pkl" in names else ""


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
