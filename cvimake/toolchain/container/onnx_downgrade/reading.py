"""Reads an ONNX file of a stranger: it may be damaged or too large, or have its weights in other files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, TensorProto

from .network import opset_of, parts
from .refusal import RefusedError

# The newest opset that an onnxruntime for Python 3.10 (1.23) runs, and so the newest that can be proven.
NEWEST_OPSET = 23
# The largest size of a protobuf message, in bytes; more than any camera can hold.
LARGEST = 2**31 - 1
# The last type that IR 8 has; the next ones are the 8-bit floats.
_NEWEST_ELEMENT = TensorProto.BFLOAT16


def read(path: Path, external: Path) -> ModelProto:
    """Return a network with all its weights.

    Args:
        path: the ONNX file.
        external: the folder with the files of its weights, under the names that the ONNX file has for them.

    Raises:
        RefusedError: it is no network, or damaged, too new or too large, or its weights are missing.
    """
    if path.stat().st_size > LARGEST:
        raise RefusedError("it is larger than 2 GB, and no camera holds that")
    try:
        model = ModelProto()
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise RefusedError("it is not an ONNX file, or is cut off") from error
    if not model.ir_version or not model.graph.node:
        raise RefusedError("it is not an ONNX file, or is cut off: it holds no network")
    opset = opset_of(model)
    if opset > NEWEST_OPSET:
        raise RefusedError(
            f"it is opset {opset}; {NEWEST_OPSET} is the newest that an onnxruntime for the container's "
            f"Python 3.10 runs, and a conversion of a newer one cannot be proven. Export it with opset "
            f"{NEWEST_OPSET} or older (17 needs no conversion)"
        )
    if not opset:
        raise RefusedError("it does not say which opset it is")
    _take_in(model, external)
    for tensor in tensors(model):
        if tensor.data_type > _NEWEST_ELEMENT:
            known = TensorProto.DataType.values()
            kind = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in known else "unknown"
            raise RefusedError(f"tensor {tensor.name!r} is {kind}, a type that the toolchain does not have")
    return model


def check(model: ModelProto) -> None:
    """Check a network against the rules of ONNX.

    Raises:
        RefusedError: it breaks a rule; says which, and where.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise RefusedError(f"it breaks the rules of ONNX: {' '.join(str(error).split())[:400]}") from error


def check_size(model: ModelProto) -> None:
    """Check that a network fits into one file.

    Raises:
        RefusedError: it does not.
    """
    if model.ByteSize() > LARGEST:
        raise RefusedError("with all its weights it is larger than 2 GB, and no camera holds that")


def tensors(message: Message) -> Iterator[TensorProto]:
    """Yield every tensor in a message, however deep."""
    for part in parts(message):
        if isinstance(part, TensorProto):
            yield part
        else:
            yield from tensors(part)


def _take_in(model: ModelProto, folder: Path) -> None:
    """Put the weights that lie in other files into the network."""
    left = LARGEST
    missing: set[str] = set()
    for tensor in tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        path = _inside(folder, location, tensor.name)
        if not path.is_file():
            missing.add(location)
            continue
        offset, length = _part(entries, path.stat().st_size, tensor.name, location)
        left -= length
        if left < 0:
            raise RefusedError("its weights are more than 2 GB, and no camera holds that")
        with path.open("rb") as file:
            file.seek(offset)
            tensor.raw_data = file.read(length)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    if missing:
        names = ", ".join(sorted(missing))
        listed = ", ".join(f'"{name}"' for name in sorted(missing))
        raise RefusedError(
            f"its weights are in {names}, which is not there: put it beside the network, and if that is done "
            f"say in model.toml, [onnx]: external_data = [{listed}]"
        )


def _inside(folder: Path, location: str, tensor: str) -> Path:
    parts = PurePosixPath(location).parts
    if not parts or location.startswith("/") or ".." in parts or "\\" in location or "\0" in location:
        raise RefusedError(
            f"the weights of {tensor!r} are in {location!r}, which leaves the network's own folder"
        )
    path = folder / location
    if not Path(os.path.realpath(path)).is_relative_to(folder.resolve()):
        raise RefusedError(
            f"the weights of {tensor!r} are in {location!r}, a link out of the network's own folder"
        )
    return path


def _part(entries: dict[str, str], size: int, tensor: str, location: str) -> tuple[int, int]:
    """Return the offset and the length of a tensor in its file, in bytes."""
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
    except ValueError as error:
        raise RefusedError(f"the place of {tensor!r} in {location} is not a number") from error
    if not 0 <= offset <= offset + length <= size:
        raise RefusedError(f"{location} is cut off: {tensor!r} lies beyond its end")
    return offset, length
