"""What is looked at on the host before a network goes to the toolchain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import operators, reading


def check(path: Path, outputs: Sequence[str]) -> None:
    """Sees that an ONNX file has the outputs that are declared, and operators that the tool reads.

    Args:
        path: the file.
        outputs: the tensors that it shall end in; none for its own.

    Raises:
        CvimakeError: with all that is wrong.
    """
    network = reading.read(path)
    wrong = [
        f"{path} has no tensor {name!r}, which [output] names names"
        for name in outputs
        if name not in network.producers
    ]
    wanted = [name for name in outputs if name in network.producers] or list(network.outputs)
    wrong += [f"{path}: {what}" for what in operators.unread(network, wanted)]
    if wrong:
        raise CvimakeError("\n".join(wrong))
