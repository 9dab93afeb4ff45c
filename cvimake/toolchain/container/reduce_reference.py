"""Transforms a network, and reduces its reference: `reduce_reference.py NAME PROGRAM.py ARGUMENT ...`.

The tool keeps every tensor of the network, 194 MB of YOLO11n at 640x640. What makes a cvimodel compares the
outputs only, and the tensor before one that it converts to float at the end; so that is what is kept. With
`--compare_all` it compares all, and this is not to be used. The exit code is the program's.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Where the tool is told to write it.
_REFERENCE = "{}_top_outputs.npz"


def main(name: str, command: Sequence[str]) -> int:
    """Runs the program in the working directory and reduces what it wrote; returns its exit code."""
    code = subprocess.run([sys.executable, *command], check=False).returncode
    if code == 0:
        parser: Any = importlib.import_module("utils.mlir_parser").MlirParser(f"{name}.mlir")
        layers = [(op.outputs, op.opds) for op in parser.ops]
        reduce(Path(_REFERENCE.format(name)), kept(layers, parser.get_output_op_names_n_shapes()))
    return code


def kept(layers: Iterable[tuple[Sequence[str], Sequence[str]]], outputs: Iterable[str]) -> frozenset[str]:
    """The tensors that are compared with: the outputs of a network, and what they are computed from.

    Args:
        layers: of each, the names of its tensors and of its operands.
        outputs: names of the network's outputs.
    """
    last = set(outputs)
    before = [name for tensors, operands in layers if last & set(tensors) for name in operands]
    return frozenset([*last, *before])


def reduce(reference: Path, names: frozenset[str]) -> None:
    """Writes an npz anew with the arrays of these names only, in the order that they had."""
    with np.load(reference) as arrays:
        reduced = {name: arrays[name] for name in arrays.files if name in names}
    np.savez(reference, **reduced)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
