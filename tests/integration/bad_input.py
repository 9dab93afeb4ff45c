"""Files and declarations that are wrong, cut off or meant to do harm, made by code, each in a fresh project.

`python tests/integration/bad_input.py` runs all and prints how each ended, how long it took and the
most memory that the command held.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from lab import EXAMPLE, HANGS_AFTER, ROOT, environment
from numpy.typing import NDArray

from cvimake.core import digest

DECLARATION = """
source = "tiny.onnx"
[input]
shapes = [[1, 3, 128, 128]]
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
[output]
names = ["scores"]
[verify]
input = "images/00.png"
[variant.f16]
quantize = "F16"
"""
DATASET = '[calibration]\ndataset = "samples"\n[variant.int8]\nquantize = "INT8"\n'
LIMITS = "[tool.cvimake.limits]\nmemory = 0.75\nhours = 0.1\n"
# Of the command; what it holds without a mistake is 60 MiB.
MEMORY = 200 * 1024**2
# Of no user of this machine; root could read everything.
OTHER_USER = 54321


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        spoil: spoils a project; is given the folder of the model `bad`.
        says: what the error has to say.
        code: the exit code.
        as_other: run as somebody who may not read everything.
        command: what is done with it.
    """

    spoil: Callable[[Path], object]
    says: str
    code: int = 2
    as_other: bool = False
    command: tuple[str, ...] = ("bad",)


@dataclass(frozen=True)
class Ended:
    """How a build ended.

    Attributes:
        output: all that it printed.
        seconds: how long it took.
        memory: bytes that the command held at most; its containers have limits of their own.
    """

    code: int
    output: str
    seconds: float
    memory: int


def edit(old: str, new: str) -> Callable[[Path], object]:
    """Changes the declaration."""
    assert old in DECLARATION
    return lambda model: (model / "model.toml").write_text(DECLARATION.replace(old, new), encoding="utf-8")


def declaration(content: bytes) -> Callable[[Path], object]:
    return put("model.toml", content)


def put(name: str, content: bytes) -> Callable[[Path], object]:
    def write(model: Path) -> None:
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def both(*spoils: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda model: [spoil(model) for spoil in spoils]


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Something else than a file in a file's place."""

    def replace(model: Path) -> None:
        (model / name).unlink(missing_ok=True)
        make(model / name)

    return replace


def dataset(text: str, *files: Callable[[Path], object]) -> Callable[[Path], object]:
    """A dataset of one good image, and what is wrong with it."""

    def write(model: Path) -> None:
        folder = model.parents[1] / "datasets" / "samples"
        folder.mkdir(parents=True)
        (folder / "dataset.toml").write_text(text, encoding="utf-8")
        (model / "model.toml").write_text(DECLARATION + DATASET, encoding="utf-8")
        for file in files:
            file(folder)

    return write


def network(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], object]:
    def rewrite(model: Path) -> None:
        proto = onnx.load(model / "tiny.onnx")
        change(proto)
        (model / "tiny.onnx").write_bytes(proto.SerializeToString())

    return rewrite


def cut(name: str, share: float) -> Callable[[Path], object]:
    def shorten(model: Path) -> None:
        data = (model / name).read_bytes()
        (model / name).write_bytes(data[: int(len(data) * share)])

    return shorten


def test_with(name: str, content: bytes) -> Callable[[Path], object]:
    """Another test input."""
    return both(edit("images/00.png", name), put(name, content))


def own_table(text: str) -> Callable[[Path], object]:
    """A calibration table of the user's."""
    variant = 'quantize = "INT8"\ncalibration_table = "table"'
    return both(edit('quantize = "F16"', variant), put("table", text.encode()))


def own_qtable(text: str) -> Callable[[Path], object]:
    """A qtable of the user's."""
    variant = 'quantize = "INT8"\nqtable = "qtable"\n[calibration]\ndata_list = "list"'
    return both(
        edit('quantize = "F16"', variant), put("list", b"images/00.png\n"), put("qtable", text.encode())
    )


def given(name: str, content: bytes | Callable[[Path], object], says: str, command: str = "init") -> Case:
    """A file that a command is given, in a folder of its own."""

    def write(model: Path) -> None:
        path = model.parents[1] / "given" / name
        path.parent.mkdir()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)

    more = {"onnx:downgrade": ("given/out.onnx",)}.get(command, ())
    return Case(write, says, command=(command, f"given/{name}", *more))


def changed(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], object]:
    """The tiny network, changed."""

    def write(path: Path) -> None:
        proto = onnx.load(EXAMPLE / "models" / "tiny" / "tiny.onnx")
        change(proto)
        path.write_bytes(proto.SerializeToString())

    return write


def zip_of_zeros(path: Path) -> None:
    """A gigabyte of zeros that calls itself a checkpoint."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("net/version", b"3")
        with archive.open("net/data.pkl", "w") as member:
            for _ in range(1024):
                member.write(bytes(1024**2))


def settings(text: str) -> Callable[[Path], object]:
    return lambda model: (model.parents[1] / "pyproject.toml").write_text(text, encoding="utf-8")


def npy(values: NDArray[Any], *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=pickled)
    return file.getvalue()


def npz(arrays: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in arrays.items():
            archive.writestr(name, content)
    return file.getvalue()


def bomb(model: Path) -> None:
    """A gigabyte of zeros in five megabytes."""
    with (
        zipfile.ZipFile(model / "in.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w") as array,
    ):
        array.write(npy(np.zeros((1, 256, 1024, 1024), dtype=np.float32)[:, :0]))
        for _ in range(1024):
            array.write(bytes(1024**2))


def immense_array(model: Path) -> None:
    """Its head says that it is of a thousand terabytes."""
    head = io.BytesIO()
    shape = (9999, 3, 99999, 99999)
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    (model / "in.npz").write_bytes(npz({"images.npy": head.getvalue() + bytes(1024)}))


def many_arrays(model: Path) -> None:
    data = bytearray(npz({"images.npy": npy(np.zeros(1, dtype=np.float32))}))
    struct.pack_into("<HH", data, data.rfind(b"PK\x05\x06") + 8, 60000, 60000)
    (model / "in.npz").write_bytes(data)


def external(location: str) -> Callable[[onnx.ModelProto], object]:
    def change(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=location))

    return change


def rename(proto: onnx.ModelProto) -> None:
    """Names that steer a terminal."""
    for node in proto.graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = f"\x1b[31m{name}\x07"


def folder_called(name: str) -> Callable[[Path], object]:
    return lambda model: model.rename(model.parent / name)


class Evil:
    """Would run a command where somebody unpickles it."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/cvimake-was-here",)


IMAGE = (EXAMPLE / "models" / "tiny" / "images" / "00.png").read_bytes()
GOOD_NPY = npy(np.zeros((1, 3, 128, 128), dtype=np.float32))
FROM_NPZ = edit("images/00.png", "in.npz")
CASES: dict[str, Case] = {
    # Declarations
    "declaration: empty": Case(declaration(b""), "source: is missing"),
    "declaration: cut off": Case(declaration(DECLARATION.encode()[:60]), "model.toml:4: not TOML: "),
    "declaration: not UTF-8": Case(declaration(b'description = "\xff\xfe"\n'), "not UTF-8 text (byte 0xff)"),
    "declaration: UTF-16": Case(declaration(DECLARATION.encode("utf-16")), "not UTF-8"),
    "declaration: zero bytes": Case(declaration(bytes(4096)), "not TOML"),
    "declaration: a program": Case(
        declaration(Path(sys.executable).resolve().read_bytes()[:65536]), "not UTF-8"
    ),
    "declaration: brackets in brackets": Case(declaration(b"source = " + b"[" * 20000), "nested too deeply"),
    "declaration: keys in keys": Case(declaration(b"a" + b".a" * 20000 + b" = 1\n"), "nested too deeply"),
    "declaration: number of 10,000 digits": Case(declaration(b"source = " + b"9" * 10000), "not TOML"),
    "declaration: the same key twice": Case(declaration(b'source = "a"\nsource = "b"\n'), "not TOML"),
    "declaration: a folder": Case(instead("model.toml", Path.mkdir), "cannot be read"),
    "declaration: a link to itself": Case(
        instead("model.toml", lambda path: path.symlink_to(path)), "cannot be read"
    ),
    "declaration: a link to nothing": Case(
        instead("model.toml", lambda path: path.symlink_to("nothing")), "cannot be read"
    ),
    "declaration: a pipe": Case(instead("model.toml", os.mkfifo), "is no plain file"),
    "declaration: endless": Case(
        instead("model.toml", lambda path: path.symlink_to("/dev/zero")), "is no plain file"
    ),
    "declaration: unreadable": Case(
        lambda model: (model / "model.toml").chmod(0), "Permission denied", as_other=True
    ),
    "declaration: mistyped key": Case(edit("source", "sorce"), "did you mean source?"),
    "declaration: text for a number": Case(edit("[[1, 3, 128, 128]]", '"1,3,128,128"'), "input.shapes"),
    "declaration: key that steers a terminal": Case(
        edit("[input]", '"\\u001b[31mred" = 1\n[input]'), "no such key"
    ),
    "declaration: file with a zero byte": Case(edit("tiny.onnx", "tiny\\u0000.onnx"), "control characters"),
    "declaration: file name of 5,000 letters": Case(
        edit('"tiny', '"' + "a" * 5000), "longer than a file's name"
    ),
    "declaration: source elsewhere": Case(
        edit("tiny.onnx", "../../../../../../etc/passwd"), "the toolchain reads .onnx"
    ),
    "declaration: test input elsewhere": Case(edit("images/00.png", "/etc/passwd"), "verify.input"),
    "declaration: PyTorch": Case(
        both(edit("tiny.onnx", "tiny.pt"), put("tiny.pt", b"PK\3\4")), "is not TorchScript"
    ),
    "declaration: no number": Case(edit("0.0039216, 0.0039216, 0.0039216", "nan, inf, 1.0"), "input.scale"),
    "declaration: negative size": Case(edit("128, 128", "-128, 128"), "input.shapes"),
    "declaration: no axes": Case(edit("[[1, 3, 128, 128]]", "[[]]"), "input.shapes"),
    "declaration: immense shape": Case(
        edit("128, 128", "4611686018427387904, 4611686018427387904"), "input.shapes"
    ),
    "declaration: another rank": Case(edit("128, 128", "128"), "input.shapes"),
    "declaration: wrong channels": Case(edit("1, 3, 128", "1, 1, 128"), "has 1 channel, but"),
    "declaration: gray for colour": Case(
        both(
            edit('pixel_format = "rgb"', 'pixel_format = "gray"\nmean = [0.0]'),
            lambda model: (model / "model.toml").write_text(
                (model / "model.toml").read_text().replace("0.0039216, 0.0039216, 0.0039216", "0.0039216")
            ),
        ),
        "gray does not fit",
    ),
    "declaration: two shapes for one": Case(
        both(
            edit("[[1, 3, 128, 128]]", "[[1, 3, 128, 128], [1, 3, 128, 128]]"),
            lambda model: (model / "model.toml").write_text(
                (model / "model.toml").read_text().replace('names = ["scores"]', "")
            ),
        ),
        "input.shapes",
    ),
    "declaration: output that is not there": Case(edit('"scores"', '"scorse"'), "did you mean scores?"),
    "declaration: variant with a slash": Case(edit("variant.f16", 'variant."../../f16"'), "cannot be called"),
    # A build of everything: no model is called bad then.
    "declaration: name that steers a terminal": Case(
        folder_called("b\x1b[31mad"), "cannot be called", command=("run", "--continue")
    ),
    "declaration: name of an option": Case(
        folder_called("-n"), "cannot be called", command=("run", "--continue")
    ),
    "declaration: name of a command": Case(
        folder_called("plan"), "name of a command", command=("run", "--continue")
    ),
    # Settings
    "settings: no table": Case(settings("[tool]\ncvimake = 3\n"), "pyproject.toml"),
    "settings: immense memory": Case(settings("[tool.cvimake.limits]\nmemory = 1e308\n"), "memory"),
    "settings: immense time": Case(settings("[tool.cvimake.limits]\nhours = 1e308\n"), "hours"),
    # Datasets
    "dataset: missing": Case(
        lambda model: (model / "model.toml").write_text(DECLARATION + DATASET), "no dataset 'samples'"
    ),
    "dataset: empty": Case(dataset(""), "has no samples"),
    "dataset: leads out": Case(dataset('files = ["../../**/*.png"]'), "must be a relative path"),
    "dataset: from the root": Case(dataset('files = ["/etc/*"]'), "must be a relative path"),
    "dataset: no pattern": Case(dataset('files = ["**x"]'), "dataset samples"),
    "dataset: folder that is not there": Case(dataset('folder = "nowhere"'), "no folder"),
    "dataset: mixed": Case(dataset("", put("a.png", IMAGE), put("b.npy", GOOD_NPY)), "different kinds"),
    "dataset: folders in a circle": Case(
        dataset("", lambda folder: (folder / "loop").symlink_to(folder)), "has no samples"
    ),
    "dataset: list that is not there": Case(dataset('data_list = "list.txt"'), "No such file"),
    "dataset: list leads out": Case(
        dataset('data_list = "l"', put("l", b"../../../etc/passwd\n")), "must be a relative path"
    ),
    "dataset: list with zero bytes": Case(
        dataset('data_list = "l"', put("l", bytes(64))), "control characters"
    ),
    "dataset: list of an image": Case(dataset('data_list = "l.png"', put("l.png", IMAGE)), "not UTF-8"),
    "dataset: endless list": Case(
        dataset('data_list = "l"', lambda folder: (folder / "l").symlink_to("/dev/zero")), "is no plain file"
    ),
    "dataset: unreadable": Case(
        dataset("", put("a.png", IMAGE), lambda folder: (folder / "dataset.toml").chmod(0)),
        "Permission denied",
        as_other=True,
    ),
    "dataset: a text among the images": Case(
        dataset("", put("a.png", IMAGE), put("b.png", b"no image")), "b.png: is no image"
    ),
    "dataset: a link to the passwords": Case(
        dataset("", put("a.png", IMAGE), lambda folder: (folder / "b.png").symlink_to("/etc/passwd")),
        "b.png: is no image",
    ),
    "dataset: channels last": Case(
        dataset("", put("a.npy", npy(np.zeros((1, 128, 128, 3), dtype=np.float32)))),
        "its channels are the last axis",
    ),
    "dataset: npz of two for one": Case(
        dataset("", put("a.npz", npz({"images.npy": GOOD_NPY, "mask.npy": GOOD_NPY}))), "holds 2 arrays"
    ),
    "dataset: two files for one": Case(
        dataset('data_list = "l"', put("l", b"a.npy,a.npy\n"), put("a.npy", GOOD_NPY)),
        "2 files, but the network has 1 input",
    ),
    "dataset: texts": Case(dataset("", put("a.npy", npy(np.array(["a"])))), "not numbers"),
    # Networks
    "network: Git LFS's pointer": Case(
        put("tiny.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "git lfs pull"
    ),
    "network: a checkpoint": Case(
        put("tiny.onnx", npz({"net/data.pkl": b"\x80\x02."})), "is a training checkpoint"
    ),
    "network: empty": Case(put("tiny.onnx", b""), "is not an ONNX file"),
    "network: text": Case(put("tiny.onnx", b"once upon a time"), "is not an ONNX file"),
    "network: zeros": Case(put("tiny.onnx", bytes(100000)), "is not an ONNX file"),
    "network: an image": Case(put("tiny.onnx", IMAGE), "is not an ONNX file"),
    "network: immense length": Case(
        put("tiny.onnx", b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "is not an ONNX file"
    ),
    "network: cut off": Case(cut("tiny.onnx", 0.5), "is cut off"),
    "network: a folder": Case(instead("tiny.onnx", Path.mkdir), "waits for its source"),
    "network: a link to itself": Case(
        instead("tiny.onnx", lambda path: path.symlink_to(path)), "waits for its source"
    ),
    "network: a pipe": Case(instead("tiny.onnx", os.mkfifo), "waits for its source"),
    "network: opset of the future": Case(
        network(lambda proto: setattr(proto.opset_import[0], "version", 999)), "opset"
    ),
    "network: format of the future": Case(
        network(lambda proto: setattr(proto, "ir_version", 999)), "ir_version 999", 1
    ),
    "network: weights elsewhere": Case(
        network(external("../../../../../../etc/passwd")), "not declared: ../../../../../../etc/passwd"
    ),
    "network: weights that are not there": Case(network(external("tiny.data")), "not declared: tiny.data"),
    "network: names that steer a terminal": Case(network(rename), "the network has no tensor 'scores'"),
    "network: graph without end": Case(
        network(lambda proto: proto.graph.node[0].input.__setitem__(0, proto.graph.node[-1].output[0])),
        "bad:onnx",
        1,
    ),
    "network: weights of another shape": Case(
        network(lambda proto: proto.graph.initializer[0].dims.__setitem__(0, 3)), "bad:onnx", 1
    ),
    "network: operator of somebody's": Case(
        network(lambda proto: setattr(proto.graph.node[1], "op_type", "Frobnicate")), "Frobnicate", 1
    ),
    "network: larger than memory": Case(edit("128, 128", "16384, 16384"), "no camera holds that", 1),
    # Test inputs
    "test input: not there": Case(edit("00.png", "99.png"), "verify.input: no file"),
    "test input: empty": Case(put("images/00.png", b""), "is empty"),
    "test input: text": Case(put("images/00.png", b"no image"), "is no image"),
    "test input: cut off": Case(cut("images/00.png", 0.5), "is cut off"),
    "test input: damaged within": Case(
        put("images/00.png", IMAGE[:100] + bytes(200) + IMAGE[300:]), "an image cannot be read", 1
    ),
    "test input: text for npz": Case(test_with("in.npz", b"no array"), "is no npz"),
    "test input: npz cut off": Case(test_with("in.npz", npz({"images.npy": GOOD_NPY})[:-40]), "is no npz"),
    "test input: empty npz": Case(test_with("in.npz", npz({})), "holds no arrays"),
    "test input: text in npz": Case(test_with("in.npz", npz({"images.npy": b"no array"})), "is no array"),
    "test input: npz bomb": Case(both(FROM_NPZ, bomb), "more than the stage's memory limit"),
    "test input: npz of 60,000": Case(both(FROM_NPZ, many_arrays), "more than 10000 arrays"),
    "test input: npz that says it is immense": Case(both(FROM_NPZ, immense_array), "is cut off"),
    "test input: text for npy": Case(test_with("in.npy", b"no array"), "is no array"),
    "test input: program in npy": Case(
        test_with("in.npy", npy(np.array([Evil()], dtype=object), pickled=True)), "Python objects"
    ),
    "test input: npy without head": Case(
        test_with("in.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff"), "is cut off"
    ),
    "test input: npy nested too deeply": Case(
        test_with("in.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000) + b"(" * 60000), "is no array"
    ),
    "test input: npy of another shape": Case(
        test_with("in.npy", npy(np.zeros((1, 3, 16, 16), dtype=np.float32))),
        "in.npy: has the shape [1, 3, 16, 16]",
    ),
    "test input: npy without a batch": Case(
        test_with("in.npy", npy(np.zeros((3, 128, 128), dtype=np.float32))), "array[None] adds it"
    ),
    "test input: npy of a number": Case(test_with("in.npy", npy(np.array(3.0))), "has the shape []"),
    "test input: npy of texts": Case(test_with("in.npy", npy(np.array(["a", "b"]))), "not numbers"),
    "test input: npy of complex numbers": Case(
        test_with("in.npy", npy(np.zeros((1, 3, 128, 128), dtype=np.complex64))), "not numbers"
    ),
    "test input: npz of others": Case(
        test_with("in.npz", npz({"image.npy": GOOD_NPY, "mask.npy": GOOD_NPY})),
        "holds no array 'images', which is an input of the network; it holds image, mask",
    ),
    "test input: two for one": Case(
        both(edit('"images/00.png"', '["a.npy", "b.npy"]'), put("a.npy", GOOD_NPY), put("b.npy", GOOD_NPY)),
        "2 files, but the network has 1 input (images)",
    ),
    # Files that commands are given
    "init: not there": given("a.onnx", lambda _path: None, "no file"),
    "init: a folder": given("a.onnx", Path.mkdir, "no file"),
    "init: a link to itself": given("a.onnx", lambda path: path.symlink_to(path), "no file"),
    "init: a pipe": given("a.onnx", os.mkfifo, "no file"),
    "init: endless": given("a.onnx", lambda path: path.symlink_to("/dev/zero"), "no file"),
    "init: empty": given("a.onnx", b"", "is not an ONNX file"),
    "init: text": given("a.onnx", b"once upon a time", "is not an ONNX file"),
    "init: an image": given("a.onnx", IMAGE, "is not an ONNX file"),
    "init: immense length": given(
        "a.onnx", b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\x7f", "is not an ONNX file"
    ),
    "init: opset of the future": given(
        "a.onnx", changed(lambda proto: setattr(proto.opset_import[0], "version", 999)), "has opset 999"
    ),
    "init: weights outside": given("a.onnx", changed(external("../../../../etc/passwd")), "leads out of"),
    "init: weights in a link to itself": given(
        "a.onnx",
        both(changed(external("w.bin")), lambda path: path.with_name("w.bin").symlink_to("w.bin")),
        "no such file beside it",
    ),
    "init: weights that are not there": given("a.onnx", changed(external("w.bin")), "no such file beside it"),
    "init: Git LFS's pointer": given(
        "a.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"
    ),
    "init: a program in a pickle": given(
        "a.pt", pickle.dumps(Evil(), protocol=2), "is a training checkpoint"
    ),
    "init: zip bomb": given("a.pt", zip_of_zeros, "is a training checkpoint"),
    "init: half a zip": given(
        "a.pt", npz({"net/code/a.py": b"1"})[:-40], "is not TorchScript, or is cut off"
    ),
    "init: text for TFLite": given("a.tflite", b"once upon a time", "is not TFLite"),
    "init: Caffe without weights": given(
        "a.prototxt", b'name: "a"', "a.caffemodel, the file with its weights, is not beside it"
    ),
    "init: Keras": given("a.h5", b"\x89HDF", "is Keras'"),
    "init: no suffix": given("a", b"", "no suffix: the toolchain reads"),
    "init: name of a command": given(
        "plan.onnx", changed(lambda _proto: None), "a model cannot be called 'plan'"
    ),
    "init: name that steers a terminal": given("\x1b[31m.onnx", b"", "holds control characters"),
    "view: not there": given("a.onnx", lambda _path: None, "neither a model nor a file", "view"),
    "info: no task": given(
        "a.txt", b"", "there is no model, stage, result or cvimodel 'given/a.txt'", "info"
    ),
    "info: rubbish": given("a.cvimodel", b"once upon a time", "is no cvimodel", "info"),
    "release: a link to itself": given(
        "a", lambda path: path.symlink_to(path), "no release", "release:verify"
    ),
    "new: a link to itself": given("a", lambda path: path.symlink_to(path), "no place for a project", "new"),
    "downgrade: text": given("a.onnx", b"once upon a time", "is not an ONNX file", "onnx:downgrade"),
    "downgrade: a checkpoint": given(
        "a.onnx", npz({"net/data.pkl": b"\x80\x02."}), "is not an ONNX file", "onnx:downgrade"
    ),
    "downgrade: weights outside": given(
        "a.onnx", changed(external("/etc/passwd")), "leads out of", "onnx:downgrade"
    ),
    # Tables
    "table: not there": Case(
        edit('quantize = "F16"', 'quantize = "INT8"\ncalibration_table = "nowhere"'), "no file"
    ),
    "table: of another network": Case(
        own_table("# table\nother_Conv 2.5 -2.5 2.5\n"), "the network has no layer"
    ),
    "table: text": Case(
        own_table("once upon a time\n"), "table:1: 'once upon a time' is not of the form LAYER THRESHOLD"
    ),
    "table: of some layers": Case(own_table("images 1.0 0.0 1.0\n"), "has no threshold for", 2),
    "table: cut off": Case(
        own_table("images 1.0 0.0"), "table:1: 'images 1.0 0.0' is not of the form LAYER THRESHOLD"
    ),
    "table: zero bytes": Case(own_table("\0" * 4096), "is not of the form LAYER THRESHOLD"),
    "table: an image": Case(both(own_table(""), put("table", IMAGE)), "is not UTF-8 text"),
    "qtable: of another network": Case(
        own_qtable("/model.0/conv_Conv BF16\n/model.1/conv_Conv BF16\n"), "it is the table of another network"
    ),
    "qtable: mistyped layer": Case(own_qtable("relu1_Rleu BF16\n"), "did you mean relu1"),
    "qtable: without modes": Case(
        own_qtable("relu1_Relu\n"), "qtable:1: 'relu1_Relu' is not of the form LAYER MODE"
    ),
    "qtable: mode of another processor": Case(
        own_qtable("relu1_Relu W8F16\n"), "is not of the form LAYER MODE"
    ),
}


def make_template(folder: Path) -> Path:
    """A project with one model that is built, `good`, and one to spoil, `bad`."""
    for name in ("good", "bad"):
        shutil.copytree(EXAMPLE / "models" / "tiny", folder / "models" / name)
        (folder / "models" / name / "model.toml").write_text(DECLARATION, encoding="utf-8")
    shutil.copy(ROOT / "dodo.py", folder)
    (folder / "pyproject.toml").write_text(LIMITS, encoding="utf-8")
    ended = build(folder, "good")
    assert ended.code == 0, ended.output
    return folder


def finished(project: Path) -> dict[str, str]:
    """What `good` was built to."""
    return {path.name: digest.of_file(path) for path in sorted((project / "build" / "good").iterdir())}


def run(case: Case, template: Path, folder: Path) -> Ended:
    """Spoils a copy of the template, and builds it."""
    shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
    case.spoil(folder / "models" / "bad")
    if case.as_other and os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, OTHER_USER, OTHER_USER)
        # Unreadable for them too, which a file's owner and 0 already is.
        return build(folder, *case.command, user=OTHER_USER)
    return build(folder, *case.command)


def build(project: Path, *arguments: str, user: int | None = None) -> Ended:
    command = [sys.executable, "-m", "cvimake.cli", *arguments]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        # What an earlier run has built would be taken instead of looked at.
        variables = environment(CVIMAKE_STORE="none")
        process = subprocess.Popen(command, cwd=project, env=variables, stdout=output, stderr=output)
        try:
            memory = _wait(process, started + HANGS_AFTER)
        finally:
            process.kill()
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
    return Ended(process.returncode, text, time.monotonic() - started, memory)


def _wait(process: subprocess.Popen[bytes], until: float) -> int:
    """Waits for a command; returns the most memory that it was seen to hold, in bytes.

    What the kernel tells of a process that has ended counts the memory of the one that started it.
    """
    memory = 0
    while process.poll() is None and time.monotonic() < until:
        memory = max(memory, _held(process.pid))
        time.sleep(0.01)
    process.kill()
    process.wait()
    return memory


def _held(process: int) -> int:
    """The most memory that a process has held since its program began, in bytes; 0 of one that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def blocks(ended: Ended) -> int:
    """How many errors a build told: the one that ended it before it began, or one for each task."""
    lines = ended.output.splitlines()
    return sum(line.startswith("cvimake: ") for line in lines) + sum(
        line.endswith(": FAILED") for line in lines
    )


def faults(case: Case, ended: Ended) -> list[str]:
    """What is wrong with how a build ended."""
    wrong = {
        f"exit code {ended.code}, not {case.code}": ended.code != case.code,
        f"does not say {case.says!r}": case.says not in ended.output,
        f"{blocks(ended)} errors": blocks(ended) != 1,
        "a traceback": "Traceback" in ended.output,
        "steers the terminal": "\x1b" in ended.output,
        f"{ended.seconds:.0f} s": ended.seconds > HANGS_AFTER,
        f"{ended.memory} bytes": ended.memory > MEMORY,
    }
    return [what for what, is_so in wrong.items() if is_so]


def main(names: list[str]) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        template = make_template(Path(folder) / "template")
        before = finished(template)
        failed = 0
        for number, name in enumerate(names or CASES):
            project = Path(folder) / str(number)
            ended = run(CASES[name], template, project)
            wrong = faults(CASES[name], ended)
            wrong += ["finished work is not intact"] if finished(project) != before else []
            failed += bool(wrong)
            sys.stdout.write(
                f"{name:46} exit {ended.code} {ended.seconds:6.2f} s {ended.memory / 1024**2:5.0f} MiB  "
                f"{', '.join(wrong)}\n{ended.output if wrong else ''}"
            )
            sys.stdout.flush()
            shutil.rmtree(project)
        sys.stdout.write(f"{len(names or CASES)} cases, {failed} wrong\n")


if __name__ == "__main__":
    main(sys.argv[1:])
