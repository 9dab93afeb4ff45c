"""What a network's file is, by what is in it; nothing in it is run or unpickled."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

from cvimake.errors import CvimakeError

Kind = Literal["onnx", "caffe", "tflite", "torchscript"]

_FEW = 4096
_PICKLE = b"\x80"
_HDF5 = b"\x89HDF"
_LARGEST_PROTOTXT = 16 * 1024**2
_COMMENT = re.compile(r"#[^\n]*")
_OLD_DIMENSIONS = re.compile(r"\binput_dim\s*:\s*(\d+)")
_SHAPE = re.compile(r"\b(?:input_shape|shape)\s*:?\s*\{([^{}]*)\}")
_DIMENSION = re.compile(r"\bdim\s*:\s*(\d+)")
_INPUT = re.compile(r"\binput\s*:\s*['\"]([^'\"]+)")


def kind_of(path: Path) -> Kind:
    """What a file holds.

    Raises:
        CvimakeError: nothing that the toolchain reads; says what to do.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_FEW)
    if zipfile.is_zipfile(path):
        return _archive(path)
    if start[4:8] == b"TFL3":
        return "tflite"
    if path.suffix == ".prototxt":
        return "caffe"
    if path.suffix == ".caffemodel":
        raise CvimakeError(
            f"{path} holds the weights of a Caffe network, not its layers",
            f"./doit init {path.stem}.prototxt",
        )
    if start.startswith(_PICKLE):
        raise _checkpoint(path)
    if start.startswith(_HDF5):
        raise CvimakeError(
            f"{path} is an HDF5 file, as Keras writes it", "Export the network to ONNX (tf2onnx)."
        )
    if start.startswith(b"version https://git-lfs"):
        raise CvimakeError(f"{path} is Git LFS's pointer, not the file itself", "git lfs pull")
    # Nothing else begins in a way of its own. What is no ONNX file is told by its reader.
    return "onnx"


def _archive(path: Path) -> Kind:
    """A zip: what torch.save and torch.jit.save write, told apart by their members' names."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] or name for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise CvimakeError(f"{path} is a broken zip file") from error
    if "data.pkl" not in names:
        raise CvimakeError(
            f"{path} is a zip file, and no network of PyTorch's",
            "Give the network itself: .onnx, .prototxt, .tflite or TorchScript.",
        )
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "torchscript"
    raise _checkpoint(path)


def _checkpoint(path: Path) -> CvimakeError:
    return CvimakeError(
        f"{path} is a training checkpoint (a Python pickle): it holds weights, and no graph without the "
        "program that made it. It was not opened, since a pickle can run anything",
        "Export it where it was trained, then ./doit init the ONNX file:\n"
        f"Ultralytics: yolo export model={path.name} format=onnx opset=17 simplify=False\n"
        "PyTorch: torch.onnx.export(model, example, 'model.onnx', opset_version=17)",
    )


def caffe_inputs(path: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a Caffe network's inputs, as far as its prototxt says them.

    Raises:
        CvimakeError: it is no text.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _LARGEST_PROTOTXT:
        raise CvimakeError(f"{path} is too large for a prototxt")
    try:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CvimakeError(f"{path} is not UTF-8 text, and a prototxt is") from error
    names = _INPUT.findall(text) or ["input"]
    shapes = [tuple(map(int, _DIMENSION.findall(body))) for body in _SHAPE.findall(text)]
    old = [int(length) for length in _OLD_DIMENSIONS.findall(text)]
    shapes = [shape for shape in shapes if shape] or [
        tuple(old[at : at + 4]) for at in range(0, len(old) - 3, 4)
    ]
    return [
        (names[number] if number < len(names) else f"input{number}", shape)
        for number, shape in enumerate(shapes)
    ]
