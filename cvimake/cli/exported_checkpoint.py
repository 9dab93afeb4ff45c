"""Exports a checkpoint for `init`, which then reads the network as it reads any other."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvimake.cli import surroundings
from cvimake.core import announce
from cvimake.project.networks import network_file
from cvimake.project.networks.network_file import Kind


@contextlib.contextmanager
def readable(path: Path, shapes: Sequence[Sequence[int]] | None) -> Iterator[Path]:
    """Give the file that a network can be read in: its own, or the export of a checkpoint.

    A checkpoint is opened only in a container. The image for that is made if it is missing.

    Args:
        path: the network's file.
        shapes: the shapes to export a checkpoint for; None for the size that it was trained with.

    Raises:
        CvimakeError: it is no network, or cannot be exported.
        OSError: it cannot be read.
    """
    if path.suffix != Kind.TORCHSCRIPT.value or network_file.check(path) is not Kind.CHECKPOINT:
        yield path
        return
    from cvimake.core.action import Limits  # noqa: PLC0415 - only a checkpoint needs it
    from cvimake.execution.runtime import Runtimes  # noqa: PLC0415 - only a checkpoint needs it
    from cvimake.pipeline.stages import export  # noqa: PLC0415 - only a checkpoint needs it

    sandbox = Runtimes(surroundings.folder(), surroundings.variables()).for_export().sandbox
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        result = Path(folder) / f"{path.stem}.onnx"
        shape = shapes[0] if shapes else ()
        action = export.action("init:export", path.resolve(), result, shape, Limits(seconds=export.SECONDS))
        with announce.step(f"exporting {path.name} with Ultralytics"):
            sandbox.run(action)
        yield result
