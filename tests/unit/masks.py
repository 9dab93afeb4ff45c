"""Masks as COCO's format of results holds them, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask


def rectangle(side: int, x: float, y: float, width: float, height: float) -> dict[str, Any]:
    """The mask of a rectangle in a square image."""
    pixels = np.zeros((side, side), np.uint8, order="F")
    pixels[int(y) : int(y + height), int(x) : int(x + width)] = 1
    return {"size": [side, side], "counts": mask.encode(pixels)["counts"].decode()}
