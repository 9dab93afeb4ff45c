"""Runs a cvimodel on the toolchain's simulator, once for each image, and writes its outputs as they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyruntime_cvi

pixels = np.load("pixels.npz")["images"]
model = pyruntime_cvi.Model("net.cvimodel", output_all_tensors=False)
arrays: dict[str, Any] = {}
described = []
for number, image in enumerate(pixels):
    (given,) = model.inputs
    given.data.reshape(-1)[:] = image.reshape(-1)
    model.forward()
    described = [
        {"name": tensor.name, "type": str(tensor.data.dtype), "scale": float(tensor.qscale)}
        for tensor in model.outputs
    ]
    arrays |= {f"{number}_{place}": np.array(tensor.data) for place, tensor in enumerate(model.outputs)}
np.savez("outputs.npz", **arrays)
Path("out.json").write_text(json.dumps(described), encoding="utf-8")
