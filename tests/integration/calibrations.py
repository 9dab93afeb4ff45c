"""The toolchain's own calibration and ours, on the same network and samples."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import Lab

from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output
from cvimake.core.capacity import Share
from cvimake.core.resources import container_program
from cvimake.execution.growth import Growth
from cvimake.pipeline.stages import calibration
from cvimake.toolchain import commands

_LIMITS = Limits(seconds=1800.0)


@dataclass(frozen=True)
class Calibrated:
    """One calibration: its table, and what it said."""

    table: bytes
    log: str


@dataclass(frozen=True)
class Subject:
    """A network as MLIR, and samples for it."""

    lab: Lab
    files: Mapping[str, Path]

    def calibrate(
        self,
        *arguments: str,
        processes: int = 0,
        memory: int | None = None,
        granted: Share | None = None,
    ) -> Calibrated:
        """With the toolchain's own tool where no number of processes is given.

        Args:
            arguments: the tool's.
            processes: how many it may use.
            memory: that it may use.
            granted: what it may use from the beginning of its container on.
        """
        tool = f"{commands.ROOT}/python/tools/run_calibration.py"
        action = Action(
            name=f"lab:{uuid.uuid4().hex}",
            argv=(
                *commands.DETERMINISTIC, "python3", "calibrate.py" if processes else tool,
                "net.mlir", *arguments, "--calibration_table=table",
            ),
            environment=commands.environment(),
            inputs=(
                *(Input(name=f"{name}.py", path=container_program(name)) for name in calibration.PROGRAMS),
                *(Input(name=path.name, path=path) for path in sorted(self.lab.root.glob("net/*"))),
            ),
            outputs=(Output(name="table", path=Path("out/table"), kind=FileKind.TABLE),),
            folders=(Folder(target="/dataset", files=self.files),),
            limits=_LIMITS,
        )  # fmt: skip
        growth = Growth()
        with ThreadPoolExecutor(1) as pool:
            share = Share(cores=max(1, processes), free=memory)
            running = pool.submit(self.lab.sandbox.run, action, share=share, growth=growth)
            while granted and not growth.grant(granted) and not running.done():
                time.sleep(0.001)
            running.result()
        log = self.lab.sandbox.log_path(action).read_text(encoding="utf-8", errors="replace")
        return Calibrated((self.lab.root / "out" / "table").read_bytes(), log)


def transform(
    lab: Lab, network: Sequence[str], shapes: list[list[int]], files: Mapping[str, Path], *options: str
) -> Subject:
    """Makes MLIR of a network.

    Args:
        lab: holds the network's files.
        network: their names; where they are two, the second has the weights.
        shapes: of its inputs.
        files: the samples, by their names in the dataset.
        options: more arguments of model_transform.
    """
    (lab.root / "net").mkdir()
    arguments = (
        *(f"--{option}={name}" for option, name in zip(("model_def", "model_data"), network, strict=False)),
        *("--model_name=net", "--mlir=net.mlir"),
    )
    action = Action(
        name="lab:transform",
        argv=commands.transform_command((), "net", (*arguments, f"--input_shapes={shapes}", *options)),
        environment=commands.environment(),
        inputs=tuple(Input(name=name, path=lab.root / name) for name in network),
        outputs=tuple(
            Output(name=name, path=Path("net", name), kind=kind)
            for name, kind in {"net.mlir": FileKind.MLIR, "net_top_f32_all_weight.npz": FileKind.NPZ}.items()
        ),
        limits=_LIMITS,
    )
    lab.sandbox.run(action)
    return Subject(lab, files)
