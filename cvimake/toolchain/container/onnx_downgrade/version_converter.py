"""Runs `onnx.version_converter` in a process of its own: `version_converter.py IN OUT OPSET`.

It is written in C++, and can end the whole process on networks that it does not understand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from onnx import version_converter


def main(source: str, result: str, opset: str) -> None:
    """Convert one file; an error becomes the last line of the standard error."""
    converted = version_converter.convert_version(onnx.load(source), int(opset))
    Path(result).write_bytes(converted.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
