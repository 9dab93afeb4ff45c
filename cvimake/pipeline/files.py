"""Names of the files that stages write, and where they are built."""

from __future__ import annotations

import functools
from pathlib import Path

from cvimake.core.paths import BUILD


@functools.cache
def place(model: str, file_name: str) -> Path:
    """Return where a file of a model is built.

    The result is cached, because one stage writes a file and several read it: all get the same Path.
    """
    return BUILD.joinpath(model, file_name)


def converted(model: str) -> str:
    """Name the ONNX network in the opset that the toolchain reads."""
    return f"{model}.onnx"


def mlir(model: str) -> str:
    """Name the network as MLIR."""
    return f"{model}.mlir"


def weights(model: str) -> str:
    """Name the weights of the MLIR: the tool writes the name in lower case, and the MLIR refers to it."""
    return f"{model.lower()}_top_f32_all_weight.npz"


def reference(model: str) -> str:
    """Name the outputs of the float network, which the variants are compared with."""
    return f"{model}_top_outputs.npz"


def outputs(model: str) -> str:
    """Name the list of the network's outputs, under their declared names."""
    return f"{model}_outputs.json"


def search(stem: str) -> str:
    """Name the summary of the search for the layers that stay float."""
    return f"{stem}_search.json"


def loss_table(stem: str) -> str:
    """Name the losses of the layers that such a search has tried."""
    return f"{stem}_loss_table.txt"


def float_stem(model: str) -> str:
    """Return the beginning of the names of files about the float network."""
    return f"{model}_float"


def accuracy(stem: str) -> str:
    """Name the accuracy of a network or a cvimodel."""
    return f"{stem}_accuracy.json"


def detections(stem: str) -> str:
    """Name its detections as the field measures them, in COCO's format of results."""
    return f"{stem}_detections.json"


def camera_detections(stem: str) -> str:
    """Name its detections as the camera shows them, in the same format."""
    return f"{stem}_camera_detections.json"


def preview(stem: str) -> tuple[str, str, str]:
    """Name the picture of what networks see, the listing of everything in it, and its tiles."""
    return f"{stem}_preview.png", f"{stem}_preview.json", f"{stem}_preview.zip"


def calibration_table(model: str) -> str:
    """Name the thresholds of INT8."""
    return f"{model}_calibration_table"
