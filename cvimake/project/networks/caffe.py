"""Reads the names and shapes of a Caffe network's inputs from its prototxt."""

from __future__ import annotations

import re
from pathlib import Path

from cvimake.core.errors import CvimakeError

_LARGEST = 16 * 1024**2
_COMMENT = re.compile(r"#[^\n]*")
_OLD_DIMENSIONS = re.compile(r"\binput_dim\s*:\s*(\d+)")
_SHAPE = re.compile(r"\b(?:input_shape|shape)\s*:?\s*\{([^{}]*)\}")
_DIMENSION = re.compile(r"\bdim\s*:\s*(\d+)")
_INPUT = re.compile(r"\binput\s*:\s*['\"]([^'\"]+)")


def inputs(path: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of a Caffe network's inputs, as far as its prototxt has them.

    Raises:
        CvimakeError: it is not text.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _LARGEST:
        raise CvimakeError(f"{path} is too large for a prototxt")
    try:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CvimakeError(f"{path} is not UTF-8 text, so it is not a prototxt") from error
    names = _INPUT.findall(text) or ["input"]
    shapes = [tuple(map(int, _DIMENSION.findall(body))) for body in _SHAPE.findall(text)]
    old = [int(length) for length in _OLD_DIMENSIONS.findall(text)]
    shapes = [shape for shape in shapes if shape] or [
        tuple(old[at : at + 4]) for at in range(0, len(old) - 3, 4)
    ]
    return [
        (names[number] if number < len(names) else f"input{number}", shape)
        for number, shape in enumerate(shapes)
    ]
