"""Transforms a float TFLite network: `transform_tflite.py NAME TOOL.py ARGUMENT ...`.

The tool calls the MLIR of every TFLite network quantised, and the compiler has nothing for that on these
processors ("Not Implemented"). Of a float network it is not true: its MLIR is like that of any other source,
and here it is called so, with its weights under the name that they have for other sources. The exit code is
the tool's, but for a network that really is quantised, which becomes QUANTISED.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

QUANTISED = 3
_STATE = 'module.state = "{}"'
_WEIGHTS = "{}_top_{}_all_weight.npz"


def main(name: str, command: Sequence[str]) -> int:
    """Runs the tool, corrects what it wrote in the working directory, and returns the exit code."""
    code = subprocess.run([sys.executable, *command], check=False).returncode
    if code != 0:
        return code
    mlir = Path(f"{name}.mlir")
    text = mlir.read_text(encoding="utf-8")
    if "!quant." in text:
        sys.stdout.write(
            "the network is quantised already, and these processors compute it in no such form. "
            "Convert it to TFLite without quantisation (no optimizations); cvimake quantises it.\n"
        )
        return QUANTISED
    before, after = (_WEIGHTS.format(name, form) for form in ("quantized", "f32"))
    text = text.replace(_STATE.format("TOP_QUANTIZED"), _STATE.format("TOP_F32"), 1)
    text = text.replace(f'module.weight_file = "{before}"', f'module.weight_file = "{after}"', 1)
    mlir.write_text(text, encoding="utf-8")
    Path(before).rename(after)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
