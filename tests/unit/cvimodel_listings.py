"""Listings of cvimodels, and what goes with them, as the tools write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cvimake.pipeline.named_outputs import NamedOutput
from cvimake.toolchain import cvimodel

LISTING = (Path(__file__).parent / "data" / "yolo_info.txt").read_text(encoding="utf-8")
CLASSIFIER = LISTING.replace("boxes_f32,scores", "scores").replace("80   52   52 ", "10   1    1  ")
COMPARISONS = [
    {"target": "a_tpu_outputs.npz", "cosine": 0.99, "euclidean": 0.9, "signal_to_noise": 20.5},
    {"target": "a_model_outputs.npz", "cosine": 1.0, "euclidean": 1.0, "signal_to_noise": None},
]
TIME: dict[str, Any] = {
    "clocks": [
        {"megahertz": 500, "compute": 2_000_000, "memory": 1_000_000, "together": 2_500_000},
        {"megahertz": 750, "compute": 1_500_000, "memory": 1_000_000, "together": 2_000_000},
    ],
}


def outputs(listing: str, *, relative_boxes: bool | None = None) -> tuple[NamedOutput, ...]:
    """Return the outputs of the MLIR that a listing's cvimodel would be made of, with names of their own."""
    return tuple(
        NamedOutput(
            declared=f"tensor {number}",
            mlir=tensor.name.removesuffix("_f32"),
            size=math.prod(tensor.shape),
            relative_boxes=relative_boxes,
        )
        for number, tensor in enumerate(cvimodel.parse(listing).outputs)
    )
