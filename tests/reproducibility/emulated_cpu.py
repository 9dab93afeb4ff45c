"""Whether an older processor computes the same: the tiny model's chain, here and on an emulated Haswell.

    python tests/reproducibility/emulated_cpu.py PATH/TO/qemu-x86_64-static [--cpu Haswell] [--folder DIR]

The tiny model needs no conversion, so that of another network, of a newer opset, is run too: its sums are
large enough for the order of adding to show. Run by hand: emulated, a stage takes about 10 times as long. The
emulator is in the package qemu-user-static of Debian and Ubuntu, and need not be installed:

    apt-get download qemu-user-static && dpkg -x qemu-user-static*.deb .

It stands in the container in the place of Python and of the compiler's own programs, so that everything which
computes goes through it. Ends with 1 and the fields that differ, if any byte does.
"""  # fmt: skip

from __future__ import annotations

import argparse
import io
import os
import posixpath
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from docker.models.containers import Container
from docker.types import Mount as DockerMount
from onnx import TensorProto, helper, numpy_helper

from cvimake import dodo
from cvimake.execution.engine import Command, connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.making import ToolchainImage
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stages import onnx as conversion
from cvimake.project import read_declarations
from cvimake.release import fields
from cvimake.toolchain import commands

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 4
NEWER = """
source = "newer.onnx"
[input]
shapes = [[1, 100, 192]]
channel_format = "none"
[verify]
input = "input.npz"
[variant.f16]
quantize = "F16"
"""
# Everything in the image that computes.
PROGRAMS = (
    f"{commands.PREFIX}/bin/python3.10",
    f"{commands.ROOT}/bin/tpuc-opt",
    f"{commands.ROOT}/bin/model_tool",
)
# The emulator may call what the stages may not.
SECCOMP = '{"defaultAction": "SCMP_ACT_ALLOW"}'


class EmulatedEngine(DockerEngine):
    """An engine whose containers have another processor.

    Args:
        qemu: the emulator, statically linked.
        cpu: the processor, in its words.
        folder: for the programs that it stands in the place of.
    """

    def __init__(self, client: Any, qemu: Path, cpu: str, folder: Path) -> None:  # noqa: ANN401 - the SDK's
        self._profile = folder / "seccomp.json"
        self._profile.write_text(SECCOMP, encoding="utf-8")
        super().__init__(client, os.environ, seccomp=self._profile)
        self._emulated: list[DockerMount] = [_mount("/emulated/qemu", qemu)]
        self._cpu, self._folder = cpu, folder

    def take_over(self, image_id: str) -> None:
        """Puts the emulator in the place of the image's programs."""
        container: Container = self.client.containers.create(image_id, "true")
        try:
            for program in PROGRAMS:
                place = _extract(container, program, self._folder)
                name = Path(place).name
                real, wrapper = self._folder / name, self._folder / f"{name}.sh"
                wrapper.write_text(
                    f'#!/bin/sh\nexec /emulated/qemu -cpu {self._cpu} -0 "$0" /emulated/{name} "$@"\n',
                    encoding="utf-8",
                )
                for path in (real, wrapper):
                    path.chmod(0o755)
                self._emulated += [_mount(f"/emulated/{name}", real), _mount(place, wrapper)]
        finally:
            container.remove(force=True)

    def settings(self, command: Command) -> dict[str, Any]:
        settings = super().settings(command)
        # Whoever is in a hurry goes first.
        return {**settings, "mounts": [*settings["mounts"], *self._emulated], "cpu_shares": 64}


def _mount(target: str, source: Path) -> DockerMount:
    return DockerMount(target=target, source=str(source), type="bind", read_only=True)


def _extract(container: Container, path: str, folder: Path) -> str:
    """Copies a program out of a container; returns where it really lies there."""
    while True:
        chunks, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as opened:
            (member,) = opened.getmembers()
            content = None if member.issym() else opened.extractfile(member)
            if content:
                (folder / member.name).write_bytes(content.read())
                return path
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))


def write_newer(folder: Path) -> None:
    """Writes a model whose network the toolchain cannot read as it is, and that is mostly matrices."""
    size, last = 192, "x"
    random = np.random.default_rng(1)
    nodes, weights = [], []
    for number in range(6):
        weights.append(
            numpy_helper.from_array(
                (random.standard_normal((size, size)) / 14).astype(np.float32), f"w{number}"
            )
        )
        nodes += [
            helper.make_node("MatMul", [last, f"w{number}"], [f"product{number}"]),
            helper.make_node("Gelu", [f"product{number}"], [f"gelu{number}"]),
            helper.make_node("Softmax", [f"gelu{number}"], [f"softmax{number}"]),
            helper.make_node("Add", [last, f"softmax{number}"], [f"sum{number}"]),
        ]
        last = f"sum{number}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 100, size]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "newer", ends[:1], ends[1:], weights)
    folder.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)]),
        folder / "newer.onnx",
    )
    np.savez(folder / "input.npz", x=np.zeros((1, 100, size), np.float32))
    (folder / "model.toml").write_text(NEWER, encoding="utf-8")


def build(folder: Path, engine: DockerEngine, found: ToolchainImage) -> dict[str, bytes]:
    """Runs every stage of the tiny model, one after another, and a conversion; returns what each wrote."""
    for name in ("models", "datasets"):
        shutil.copytree(ROOT / "tests" / name / "tiny", folder / name / "tiny")
    declaration = folder / "models" / "tiny" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    limited = text.replace('dataset = "tiny"', f'dataset = "tiny"\ninput_num = {SAMPLES}')
    declaration.write_text(limited, encoding="utf-8")
    # Emulated, a stage needs longer than is sane otherwise.
    (folder / "pyproject.toml").write_text("[tool.cvimake.limits]\nhours = 24.0\n", encoding="utf-8")
    write_newer(folder / "models" / "newer")
    os.chdir(folder)
    sandbox = Sandbox(root=folder, engine=engine, image=found.id)
    results = {}
    models = read_declarations(Path()).models
    stages = [stage for stage_of in dodo.STAGES for stage in stage_of(models["tiny"])]
    for stage in [*conversion.stages(models["newer"]), *stages]:
        started = time.monotonic()
        sandbox.run(stage.action)
        print(f"  {stage.action.name}: {time.monotonic() - started:.1f} s", flush=True)
        for output in stage.action.outputs:
            results[output.name] = (folder / output.path).read_bytes()
    return results


def main() -> int:
    """Builds twice and compares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("qemu", help="the emulator, a path or a name that is found on the PATH")
    parser.add_argument("--cpu", default="Haswell")
    parser.add_argument("--folder", type=Path, help="where to work; it must be seen by the engine")
    options = parser.parse_args()
    qemu = shutil.which(options.qemu)
    if qemu is None:
        raise SystemExit(f"no program {options.qemu}")
    client = connection.find(os.environ)
    found = making.find(client, Recipe.from_environment(os.environ))
    if found is None:
        raise SystemExit("the toolchain image is not there: run ./doit image")
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="cvimake-") as name:
        here, there, programs = (Path(name).resolve() / part for part in ("here", "there", "programs"))
        for folder in (here, there, programs):
            folder.mkdir()
        for path in (Path(name), programs):
            path.chmod(0o755)
        print("on this processor:")
        ours = build(here, DockerEngine(client, os.environ), found)
        print(f"on an emulated {options.cpu}:")
        emulated = EmulatedEngine(client, Path(qemu).resolve(), options.cpu, programs)
        emulated.take_over(found.id)
        theirs = build(there, emulated, found)
    differing = 0
    for output in sorted({*ours, *theirs}):
        if places := fields.differences(output, ours[output], theirs[output]):
            differing += 1
            print(f"{output}: {'; '.join(places)}")
    print(f"{len(ours) - differing} of {len(ours)} files equal")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
