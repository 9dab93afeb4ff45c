"""Calls the decoder that a project brings along for its network."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from decoders.outputs import Detections, Output, Size

# The name under which the project's file lies in the working directory, without its suffix.
MODULE = "own_decoder"
_COLUMNS = 6


class OwnDecoder:
    """A function `(outputs, (height, width)) -> boxes`.

    The outputs are float arrays in the network's order, each with its batch. The boxes are an array `[n,6]`:
    left, top, right, bottom in pixels of the input, score from 0 to 1, index of the class.
    """

    def __init__(self, function: str, module: str = MODULE) -> None:
        """Import the function.

        Raises:
            SystemExit: the file has no such function.
        """
        imported: Any = importlib.import_module(module)
        found: Callable[[list[Any], tuple[int, int]], Any] | None = getattr(imported, function, None)
        if not callable(found):
            raise SystemExit(f"the decoder has no function {function}")
        self._function, self._name = found, function

    def __call__(self, outputs: Sequence[Output], size: Size) -> Detections:
        """Return the boxes of one image.

        Raises:
            ValueError: the function returns something else than boxes.
        """
        boxes = np.asarray(
            self._function([output.numbers() for output in outputs], (size.height, size.width)),
            np.float32,
        )
        if boxes.size == 0:
            boxes = boxes.reshape(0, _COLUMNS)
        if boxes.ndim != 2 or boxes.shape[1] != _COLUMNS:  # noqa: PLR2004 - boxes and columns
            raise ValueError(
                f"{self._name} has to return an array [n,6] (left, top, right, bottom, score, class), and "
                f"returned {list(boxes.shape)}"
            )
        if not np.isfinite(boxes).all() or (boxes[:, 5] < 0).any():
            raise ValueError(f"{self._name} returned numbers that are not finite, or a class below 0")
        return Detections(boxes[:, :4], boxes[:, 4], boxes[:, 5].astype(np.int64))
