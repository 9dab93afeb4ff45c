"""Makes a checkpoint of every family and task that an Ultralytics has a YAML file for, with random weights.

    make_family_checkpoints.py FOLDER

Whichever Ultralytics is on the path makes them, as its trainer saves them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import ultralytics
from ultralytics import YOLO

FAMILIES = ("yolov5n", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n", "yolo26n")
TASKS = {"": "detect", "-seg": "segment", "-pose": "pose", "-cls": "classify", "-obb": "obb"}
SIZE = 64


def main(folder: str) -> None:
    """Write them, each with the name of its YAML file."""
    for family in FAMILIES:
        for suffix, task in TASKS.items():
            try:
                torch.manual_seed(0)
                made = YOLO(f"{family}{suffix}.yaml", task=task).model
            except FileNotFoundError:
                # This version does not have it, or never had.
                continue
            if task == "pose":
                # The trained ones know persons only. Some of the YAML files say 80 classes, which the camera
                # takes for no kind of model.
                made = type(made)(f"{family}{suffix}.yaml", nc=1, verbose=False)
            made.args = {"imgsz": SIZE, "task": task}
            made.task = task
            checkpoint = {"epoch": -1, "model": made.half(), "train_args": made.args}
            version = ultralytics.__version__
            torch.save({**checkpoint, "version": version}, Path(folder) / f"{family}{suffix}.pt")


if __name__ == "__main__":
    main(sys.argv[1])
