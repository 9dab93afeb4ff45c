"""Makes the graph of a YOLOv5 in its original form, with anchors: three rows for each cell, weights left out.

Run where the package yolov5 is installed without what it needs beside PyTorch (this is of yolov5 7.0.14,
torch 2.13.0, onnx 1.23.2), from the root of the repository:

    PYTHONPATH=. python tests/unit/data/networks/export_yolov5.py
"""

from __future__ import annotations

import gzip
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from packaging.version import parse

from cvimake.project.networks.skeleton import skeleton

TARGET = Path(__file__).parent / "yolov5n-original.onnx.gz"
SIZE = 640
# It imports these and exports without them.
UNUSED = ("boto3", "fire", "huggingface_hub", "pandas", "roboflow", "sahi", "seaborn", "thop")


def main() -> None:
    """Writes the graph."""
    for name in (
        *UNUSED,
        *(f"torchvision{part}" for part in ("", ".ops", ".transforms", ".transforms.functional")),
    ):
        sys.modules[name] = MagicMock(__version__="0", __spec__=None)
    sys.modules["pkg_resources"] = MagicMock(parse_version=parse)
    package = Path(importlib.import_module("yolov5").__file__ or "").parent
    network: Any = importlib.import_module("yolov5.models.yolo").Model(str(package / "models/yolov5n.yaml"))
    network.eval().fuse()
    # As its own exporter sets them.
    head = network.model[-1]
    head.export, head.inplace, head.dynamic = True, False, False
    image = torch.zeros(1, 3, SIZE, SIZE)
    network(image)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (image,),
            str(path),
            opset_version=17,
            do_constant_folding=True,
            input_names=["images"],
            output_names=["output0"],
            dynamo=False,
        )
        TARGET.write_bytes(gzip.compress(skeleton(path), mtime=0))


if __name__ == "__main__":
    main()
