"""Tells what kind of network a file holds, by its name and its first bytes.

Nothing in it is opened that could run: PyTorch saves pickles, and a pickle can run anything.
"""

from __future__ import annotations

import struct
import zipfile
from enum import Enum
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.project.networks.checkpoint import Maker, maker


class Kind(Enum):
    """The kinds of networks that can be built, by their suffix. A checkpoint has TorchScript's."""

    ONNX = ".onnx"
    CAFFE = ".prototxt"
    TFLITE = ".tflite"
    TORCHSCRIPT = ".pt"
    CHECKPOINT = "checkpoint"


_SUFFIXES = tuple(kind.value for kind in Kind if kind is not Kind.CHECKPOINT)

# Suffixes of networks that the toolchain does not read, and the remedy.
_PADDLE = (
    "is Paddle's. tpu_mlir 1.7 cannot read it, and the PaddlePaddle that it would need is gone from "
    "the package index. Convert the network to ONNX: paddle2onnx --opset_version 17"
)
_KERAS = "is Keras'. Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)"
_CONVERT = (
    "python -c \"import torch; torch.onnx.export(torch.export.load('{name}'), f='{stem}.onnx', dynamo=True)\""
)
_UNREADABLE = {
    ".caffemodel": "holds only a Caffe network's weights. Give its .prototxt, and keep this file beside it",
    ".h5": _KERAS,
    ".keras": _KERAS,
    ".pb": "is TensorFlow's. Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)",
    ".pdmodel": _PADDLE,
    ".pdiparams": _PADDLE,
    ".pdparams": _PADDLE,
    ".pth": "is the suffix of PyTorch's checkpoints. Export the network to ONNX (torch.onnx.export), or to "
    "TorchScript (torch.jit.trace(network.eval(), example).save(...)) with the suffix .pt",
    ".safetensors": "holds only weights, and no network (Hugging Face). Export the network to ONNX with the "
    "program that it belongs to (for Transformers: optimum-cli export onnx --model FOLDER --opset 17 OUTPUT)",
    ".ckpt": "is the suffix of PyTorch Lightning's and TensorFlow's checkpoints, which only the program that "
    "trained the network can open. Export it there to ONNX (Lightning: network.to_onnx)",
    ".pt2": "is a program of PyTorch's torch.export. It was not opened. Convert it to ONNX in an environment "
    f"with onnxscript and the PyTorch that saved it, or a newer one: {_CONVERT}",
}

_CHECKPOINT = (
    "a training checkpoint (a Python pickle): it holds weights, and no graph without the program that made "
    "it. It was not opened, since a pickle can run anything"
)
_ULTRALYTICS = "a checkpoint of Ultralytics"
_YOLOV5 = (
    "a training checkpoint of the program YOLOv5 (github.com/ultralytics/yolov5), which only that program "
    "can open. It was not opened, since a pickle can run anything"
)
_STATE_DICT = "a state dict: it holds weights by their names, and no network. It was not opened"
_CHECKPOINTS = {
    Maker.ULTRALYTICS: _ULTRALYTICS,
    Maker.YOLOV5: _YOLOV5,
    Maker.STATE_DICT: _STATE_DICT,
    Maker.OTHER: _CHECKPOINT,
}
_PROGRAM = "a program of PyTorch's torch.export. It was not opened"
_POINTER = "Git LFS's pointer, not the file itself"
_KERAS_FILE = "an HDF5 file, as Keras writes it"
_TFLITE_FILE, _TORCHSCRIPT_FILE = "TFLite", "TorchScript"
# The kinds that have a mark. ONNX and Caffe have none: their readers tell what is not such a file.
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
    _ULTRALYTICS: f"Give it the suffix {Kind.TORCHSCRIPT.value}.",
    _YOLOV5: "Export it there: python export.py --weights {name} --include onnx --opset 17",
    _STATE_DICT: "Make the network with its program, load these weights into it, and export it:\n"
    "network.load_state_dict(torch.load('{name}', weights_only=True))\n"
    "torch.onnx.export(network.eval(), example, 'network.onnx', opset_version=17)",
    _PROGRAM: "Convert it to ONNX in an environment with onnxscript and the PyTorch that saved it, or a\n"
    f"newer one: {_CONVERT}",
    _POINTER: "git lfs pull",
    _KERAS_FILE: "Convert it to TFLite (tf.lite.TFLiteConverter), or to ONNX (tf2onnx --opset 17)",
    _TFLITE_FILE: f"Give it the suffix {Kind.TFLITE.value}",
    _TORCHSCRIPT_FILE: f"Give it the suffix {Kind.TORCHSCRIPT.value}",
}
# Marks of a file's kind: the offset, the bytes, and the kind.
_MARKS = (
    (0, b"version https://git-lfs", _POINTER),
    (0, b"\x89HDF", _KERAS_FILE),
    (4, b"TFL3", _TFLITE_FILE),
    # The protocols of pickle that PyTorch has used: `torch.save` wrote them until 1.6.
    *((0, bytes((0x80, protocol)), _CHECKPOINT) for protocol in range(2, 6)),
    # A tar: `torch.save` wrote it before 0.2.
    (257, b"ustar", _CHECKPOINT),
)
# Members that only a program of torch.export has: since PyTorch 2.8, and before.
_OF_PROGRAMS = frozenset({"archive_format", "serialized_exported_program.json"})
_MARKED_BYTES = 512
_ZIP = b"PK\x03\x04"
# The most bytes of the list of a zip's members. The list of a large network has less than one MB.
_LONGEST_LIST = 32 * 1024**2
# The end of a zip: the record with the place of its list, and a comment.
_LONGEST_END = 65536 + 256
_END, _LONG_END = b"PK\x05\x06", b"PK\x06\x06"
_IN_LONG_END = 0xFFFFFFFF


def name_fault(name: str) -> str:
    """Say why the toolchain cannot read a file of this name, with the remedy; return '' if it can."""
    suffix = Path(name).suffix
    if suffix in _UNREADABLE:
        return f"{suffix} {_UNREADABLE[suffix].format(name=name, stem=Path(name).stem)}"
    if suffix not in _SUFFIXES:
        return f"{suffix or 'no suffix'}: the toolchain reads {', '.join(_SUFFIXES)}"
    return ""


def check(path: Path) -> Kind:
    """Check that the first bytes of a file fit its name, and return its kind.

    Raises:
        CvimakeError: it is something else, or cannot be read; the error has the remedy.
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
    if kind is Kind.TORCHSCRIPT and found == _ULTRALYTICS:
        return Kind.CHECKPOINT
    if found:
        raise CvimakeError(
            f"{path} is {found}", _REMEDIES.get(found, "").format(name=path.name, stem=path.stem)
        )
    raise CvimakeError(f"{path} is not {wanted}, or is cut off", _MAKING[wanted])


def _content(path: Path) -> str:
    """Return the kind of a file by its first bytes; empty if they do not tell it."""
    with path.open("rb") as file:
        start = file.read(_MARKED_BYTES)
    if not start.startswith(_ZIP):
        return next((what for place, mark, what in _MARKS if start.startswith(mark, place)), "")
    # In PyTorch's zips, all members lie in one folder, whose name is that of the saved file.
    names = _members(path)
    members = {name.partition("/")[2]: name for name in names}
    if any(name.startswith("code/") for name in members):
        return _TORCHSCRIPT_FILE
    if not _OF_PROGRAMS.isdisjoint(name.rpartition("/")[2] for name in names):
        return _PROGRAM
    pickled = members.get("data.pkl")
    return _CHECKPOINTS[maker(path, pickled)] if pickled else ""


def _members(path: Path) -> list[str]:
    """Return the names of a zip's members; empty if it is damaged."""
    if _list_size(path) > _LONGEST_LIST:
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


def _list_size(path: Path) -> int:
    """Return the length in bytes of a zip's list of members, as the zip says it; 0 if it has no list."""
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
