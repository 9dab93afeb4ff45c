"""Makes the graphs here: exported by Ultralytics from its model files, weights left out.

Run where Ultralytics is installed (these are of ultralytics 8.4.190, torch 2.13.0, onnx 1.23.2), from the
root of the repository:

    PYTHONPATH=. python tests/unit/data/networks/export.py
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ultralytics import YOLO

from cvimake.project.networks.skeleton import skeleton

HERE = Path(__file__).parent
# Options of all but those that are exported with the defaults of this version of Ultralytics.
OLDER: dict[str, Any] = {"opset": 17, "simplify": False}
# Name here: Ultralytics' model file, number of classes, how it is exported.
GRAPHS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "yolov8n": ("yolov8n", 80, {"imgsz": 640}),
    "yolov8n-one-class": ("yolov8n", 1, {"imgsz": (64, 96)}),
    "yolov8n-segment": ("yolov8n-seg", 2, {"imgsz": 320}),
    "yolov8n-pose": ("yolov8n-pose", 1, {"imgsz": 256}),
    "yolov8n-classify": ("yolov8n-cls", 1000, {"imgsz": 224}),
    "yolo11n": ("yolo11n", 80, {"imgsz": 640}),
    "yolo11n-64-classes": ("yolo11n", 64, {"imgsz": 320}),
    "yolo11n-opset20": ("yolo11n", 4, {"imgsz": 416, "opset": 20}),
    "yolo11n-dynamic": ("yolo11n", 3, {"imgsz": 320, "dynamic": True}),
    "yolo11n-simplified": ("yolo11n", 3, {"imgsz": 320, "simplify": True}),
    "yolo11n-segment": ("yolo11n-seg", 80, {"imgsz": 640}),
    "yolo11n-pose": ("yolo11n-pose", 1, {"imgsz": 640}),
    "yolo11n-pose-two-classes": ("yolo11n-pose", 2, {"imgsz": 128}),
    "yolo11n-classify": ("yolo11n-cls", 5, {"imgsz": 128}),
    "yolo26n": ("yolo26n", 80, {"imgsz": 640, "nms": False}),
    "yolo26n-four-classes": ("yolo26n", 4, {"imgsz": 256}),
    "yolo26n-segment": ("yolo26n-seg", 1, {"imgsz": 320}),
    "yolo26n-segment-end-to-end": ("yolo26n-seg", 1, {"imgsz": 320, "nms": False}),
    "yolo26n-pose": ("yolo26n-pose", 1, {"imgsz": 320}),
    "yolo26n-pose-end-to-end": ("yolo26n-pose", 1, {"imgsz": 320, "nms": False}),
    "yolo26n-classify": ("yolo26n-cls", 10, {"imgsz": 224}),
    "yolov5nu": ("yolov5n", 80, {"imgsz": 640}),
    "yolov5n6u": ("yolov5n6", 80, {"imgsz": 320}),
    "yolo11n-oriented": ("yolo11n-obb", 15, {"imgsz": 320}),
}

# The same with every option of the exporter left out.
DEFAULTS = {f"{config}-defaults": config for config in ("yolov5n", "yolov8n", "yolo11n", "yolo26n")}


def export(config: str, classes: int, options: dict[str, Any]) -> bytes:
    """The skeleton of one export."""
    model = YOLO(f"{config}.yaml")
    network = type(model.model)(f"{config}.yaml", nc=classes, verbose=False)
    network.args = {
        **model.overrides,
        "task": model.task,
        "model": f"{config}.yaml",
        "data": None,
        "imgsz": 640,
    }
    network.task = model.task
    model.model = network
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        shutil.move(model.export(format="onnx", **options), path)
        return skeleton(path)


def main() -> None:
    """Writes all that are not here yet."""
    graphs = {
        name: (config, classes, {**OLDER, **options}) for name, (config, classes, options) in GRAPHS.items()
    }
    graphs |= {name: (config, 80, {}) for name, config in DEFAULTS.items()}
    for name, (config, classes, options) in graphs.items():
        target = HERE / f"{name}.onnx.gz"
        if not target.exists():
            target.write_bytes(gzip.compress(export(config, classes, options), mtime=0))


if __name__ == "__main__":
    main()
