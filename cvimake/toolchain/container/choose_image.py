"""Finds the image in which a float ONNX network finds most: `choose_image.py WANTED.json RESULT.json`.

It runs twice: under the toolchain's Python, which can read images, and from there under the Python that has a
newer onnxruntime (`choose_image.py --run …`). The network is `source.onnx`, the images lie in /samples.

An output counts with the energy of its values above 0, relative to the image that has most energy there. For
scores and features, this is how much the network finds. Values below 0 mostly say that it finds nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES, PREPARED = Path("/samples"), Path("prepared.npy")
ONNX_PYTHON = "/opt/tpu_mlir/onnx/bin/python3"
_OTHERS = ("PYTHONPATH", "LD_LIBRARY_PATH", "TPUC_ROOT")


def prepare(wanted: dict[str, Any]) -> None:
    """Write the images as inputs of the network, one after another, to one file."""
    inputs = [_input(str(SAMPLES / name), wanted) for name in wanted["samples"]]
    np.save(PREPARED, np.stack(inputs))


def _input(path: str, wanted: dict[str, Any]) -> Any:  # noqa: ANN401 - an array
    import cv2  # noqa: PLC0415 - the other Python has none

    height, width = wanted["size"]
    pixels = cv2.imread(path, cv2.IMREAD_COLOR)
    if pixels is None:
        pixels = np.zeros((height, width, 3), np.uint8)
    factor = min(height / pixels.shape[0], width / pixels.shape[1])
    size = [max(1, round(length * factor)) for length in pixels.shape[:2]]
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    whole = np.full((height, width, 3), wanted["pad_value"], np.uint8)
    whole[top : top + size[0], left : left + size[1]] = cv2.resize(pixels, (size[1], size[0]))
    if wanted["pixel_format"] == "gray":
        whole = cv2.cvtColor(whole, cv2.COLOR_BGR2GRAY)[..., None]
    elif wanted["pixel_format"] == "rgb":
        whole = whole[..., ::-1]
    prepared = (whole.astype(np.float32) - np.float32(wanted["mean"])) * np.float32(wanted["scale"])
    return prepared if wanted["channels_last"] else prepared.transpose(2, 0, 1)


def energies(wanted: dict[str, Any]) -> list[list[float]]:
    """Return the energy of each output, for each image."""
    import onnxruntime  # noqa: PLC0415 - of the other Python
    from onnx_downgrade import outputs, reading, sizes, tidy  # noqa: PLC0415 - as above

    model = reading.read(Path("source.onnx"), Path("/external"))
    tidy.sort(model.graph)
    outputs.end_in(model, wanted["outputs"])
    tidy.separate_initialisers(model)
    sizes.resize(model, wanted["shapes"])
    tidy.fix_shapes(model, wanted["shapes"])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[given.type]
    found = []
    for array in np.load(PREPARED, mmap_mode="r"):
        results = session.run(wanted["outputs"], {given.name: array[None].astype(kind)})
        found.append([float(np.square(np.maximum(np.float64(each), 0.0)).sum()) for each in results])
    return found


def most(found: list[list[float]]) -> int:
    """Return the number of the image in which the network finds most; of equal ones, the first."""
    amounts = np.nan_to_num(np.array(found), posinf=0.0)
    greatest = amounts.max(axis=0)
    relative = np.divide(amounts, greatest, out=np.zeros_like(amounts), where=greatest > 0)
    return int(relative.sum(axis=1).argmax())


def main(arguments: list[str]) -> int:
    """Write which image it is; return the exit code."""
    wanted = json.loads(Path(arguments[-2]).read_text(encoding="utf-8"))
    if arguments[0] == "--run":
        chosen = wanted["samples"][most(energies(wanted))]
        Path(arguments[-1]).write_text(json.dumps({"chosen": chosen}), encoding="utf-8")
        return 0
    prepare(wanted)
    environment = {name: value for name, value in os.environ.items() if name not in _OTHERS}
    command = [ONNX_PYTHON, __file__, "--run", *arguments]
    return subprocess.run(command, env={**environment, "PYTHONPATH": "/program"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
