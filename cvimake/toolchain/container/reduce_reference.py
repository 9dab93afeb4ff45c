"""Transforms a network, and reduces its reference: `reduce_reference.py NAME PROGRAM.py ARGUMENT ...`.

The tool keeps every tensor of the network: 194 MB for YOLO11n at 640x640. The tool that makes a cvimodel only
compares the outputs, and the tensor before an output that it converts to float; so only these are kept. With
`--compare_all` that tool compares all tensors, and this program must not be used. The exit code is that of
PROGRAM.py.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# The option that tells the tool where to write the reference.
_REFERENCE = "{}_top_outputs.npz"


def main(name: str, command: Sequence[str]) -> int:
    """Run the program in the working directory, and reduce the reference; return the program's exit code."""
    code = subprocess.run([sys.executable, *command], check=False).returncode
    if code == 0:
        parser: Any = importlib.import_module("utils.mlir_parser").MlirParser(f"{name}.mlir")
        layers = [(op.outputs, op.opds) for op in parser.ops]
        reduce(Path(_REFERENCE.format(name)), kept(layers, parser.get_output_op_names_n_shapes()))
    return code


def kept(layers: Iterable[tuple[Sequence[str], Sequence[str]]], outputs: Iterable[str]) -> frozenset[str]:
    """Return the tensors that are compared: a network's outputs, and the tensors they are computed from.

    Args:
        layers: for each layer, the names of its tensors and of its operands.
        outputs: the names of the network's outputs.
    """
    last = set(outputs)
    before = [name for tensors, operands in layers if last & set(tensors) for name in operands]
    return frozenset([*last, *before])


def reduce(reference: Path, names: frozenset[str]) -> None:
    """Write an npz anew with only the arrays of these names, in their old order."""
    with np.load(reference) as arrays:
        reduced = {name: arrays[name] for name in arrays.files if name in names}
    np.savez(reference, **reduced)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
