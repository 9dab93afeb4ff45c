"""Checks a network on the host before the toolchain gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import operators, reading
from cvimake.project.networks.network import Network


def check(path: Path, outputs: Sequence[str], read: Callable[[Path], Network] = reading.read) -> None:
    """Check that an ONNX file has the declared outputs, and only operators that the tool reads.

    Args:
        path: the file.
        outputs: the tensors that it shall end in; empty for its own outputs.
        read: reads the file.

    Raises:
        CvimakeError: with all faults.
    """
    network = read(path)
    wrong = [
        f"[output] names: {path} has no tensor {name!r}" for name in outputs if name not in network.producers
    ]
    wanted = [name for name in outputs if name in network.producers] or list(network.outputs)
    wrong += [f"{path}: {what}" for what in operators.unread(network, wanted)]
    if wrong:
        raise CvimakeError("\n".join(wrong))
