"""A sandbox without containers: an engine whose commands are functions, and an action for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvimake.core.action import Action, Ending, FileKind, Input, Limits, Output
from cvimake.core.capacity import Capacity
from cvimake.execution.engine import Command, Log, Mount

MLIR = b"module attributes"
NPZ = b"PK\x03\x04weights"
NOBODY = (65534, 65534)


class FakeEngine:
    """An engine whose commands are Python functions, called with the tool's working directory."""

    user = NOBODY

    def __init__(self, act: Callable[[Path], Ending | None], output: bytes = b"") -> None:
        self.act = act
        self.output = output
        self.commands: list[Command] = []
        self.described: list[Command] = []

    def capacity(self) -> Capacity:
        return Capacity(cores=1)

    def cancel(self) -> None:
        raise AssertionError("a sandbox runs, and cancels nothing")

    def apart(self) -> FakeEngine:
        return self

    def run(self, command: Command, log: Log) -> Ending:
        self.commands.append(command)
        log.write(self.output)
        return self.act(self.mount("/workspace").source) or Ending(exit_code=0)

    def removal(self, image: str) -> str:
        raise AssertionError(f"a sandbox does not remove {image}")

    def by_hand(self, command: Command, workspace: str) -> str:
        self.described.append(command)
        return f"docker run {command.image} {workspace}"

    def mount(self, target: str) -> Mount:
        (mount,) = [mount for mount in self.commands[-1].mounts if mount.target == target]
        return mount


def write_both(files: Path) -> None:
    (files / "net.mlir").write_bytes(MLIR)
    (files / "net.npz").write_bytes(NPZ)


ACTION = Action(
    name="net:transform",
    argv=("model_transform.py", "--mlir=net.mlir"),
    environment={"TZ": "UTC"},
    inputs=(Input(name="net.onnx", path=Path("models/net/best.onnx")),),
    outputs=(
        Output(name="net.mlir", path=Path("build/net/net.mlir"), kind=FileKind.MLIR),
        Output(name="net.npz", path=Path("build/net/net.npz"), kind=FileKind.NPZ),
    ),
    limits=Limits(memory=2 * 1024**3, processes=7, seconds=90.0),
)
