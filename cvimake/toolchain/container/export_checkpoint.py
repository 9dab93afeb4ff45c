"""Exports a checkpoint of Ultralytics to ONNX.

    export_checkpoint.py CHECKPOINT RESULT.onnx [BATCH CHANNELS HEIGHT WIDTH]

Without a shape the network is exported for one image of the size that it was trained with. Equal checkpoints
give equal bytes: the date of the export and the text with the path of the training data are left out.

Nobody has checked the checkpoint. Ultralytics makes only objects of known classes from it, and refuses any
other pickle before it runs. Should that fail, the sandbox is the bound.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

OPSET = 17
# The size of a network whose checkpoint does not tell it: Ultralytics' own.
DEFAULT_SIZE = 640
# A checkpoint with a longer side of its images is not believed.
MOST_PIXELS = 1 << 16
# Entries of the metadata that differ from export to export, or name folders of another machine.
DROPPED = frozenset({"date", "description"})
# The beginnings of the lines by which `known_failures.py` recognises an end.
FOREIGN = "the checkpoint's pickle names what no network of Ultralytics has:"
SIZED = "the network cannot take the declared shape:"
REFUSED = "Ultralytics cannot export the checkpoint:"
# The most characters that are shown of a text from a checkpoint, and the most names.
_SHOWN, _FEW = 300, 5


def main(source: str, result: str, shape: Sequence[int] = ()) -> None:
    """Write the ONNX file, or end with a message."""
    import onnx  # noqa: PLC0415 - only in the container
    from ultralytics import YOLO  # noqa: PLC0415 - only in the container
    from ultralytics.nn.tasks import SAFE_LOAD, _SafeLoad  # noqa: PLC0415 - only in the container

    # Without this, Ultralytics would unpickle everything, and would not tell.
    if not (_SafeLoad.SUPPORTED and SAFE_LOAD):
        sys.exit("this Ultralytics cannot load a checkpoint without running its pickle")
    try:
        network = YOLO(source)
        size = list(shape[2:]) or _trained_size(network)
        # A YOLO26 detector keeps its branch that finds each object once. For other tasks, that branch ends in
        # operators that the toolchain does not have; without it, they end as those of YOLO11.
        ends = {"nms": False} if network.task == "detect" else {}
        written = network.export(
            format="onnx", opset=OPSET, simplify=False, dynamic=False, device="cpu",
            batch=shape[0] if shape else 1, imgsz=size, **ends,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - a checkpoint of somebody else can make it fail in any way
        _refuse(source, error)
    made = onnx.load(written)
    if shape and (found := _shape(made)) != list(shape):
        sys.exit(f"{SIZED} {_text(shape)} is declared, and Ultralytics made it {_text(found)}")
    without_changing_metadata(made)
    Path(result).write_bytes(made.SerializeToString(deterministic=True))


def without_changing_metadata(made: Any) -> None:  # noqa: ANN401 - an ONNX model; onnx is not on the host
    """Take out of a network what differs from export to export; sort the rest."""
    kept = {entry.key: entry.value for entry in made.metadata_props if entry.key not in DROPPED}
    del made.metadata_props[:]
    for key in sorted(kept):
        made.metadata_props.add(key=key, value=kept[key])


def _trained_size(network: Any) -> list[int]:  # noqa: ANN401 - a YOLO
    """Return height and width that a network was trained with."""
    arguments = getattr(network.model, "args", None)
    size = arguments.get("imgsz") if isinstance(arguments, dict) else getattr(arguments, "imgsz", None)
    sizes = size if isinstance(size, list | tuple) else [size, size]
    lengths = [length for length in sizes if isinstance(length, int) and 0 < length < MOST_PIXELS]
    return lengths if len(sizes) == len(lengths) == 2 else [DEFAULT_SIZE, DEFAULT_SIZE]  # noqa: PLR2004 - both


def _shape(made: Any) -> list[int]:  # noqa: ANN401 - an ONNX model
    return [axis.dim_value for axis in made.graph.input[0].type.tensor_type.shape.dim]


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _refuse(source: str, error: Exception) -> NoReturn:
    """End with the reason why a checkpoint cannot be exported, in one line."""
    import torch  # noqa: PLC0415 - only in the container
    from ultralytics.nn.tasks import _SafeLoad  # noqa: PLC0415 - only in the container

    if isinstance(error, TypeError) and "references types outside" in str(error):
        named = set(torch.serialization.get_unsafe_globals_in_checkpoint(source))
        if foreign := sorted(named - set(_SafeLoad._registry or ())):  # noqa: SLF001 - the list of what it takes
            more = f" and {len(foreign) - _FEW} more" if len(foreign) > _FEW else ""
            sys.exit(f"{FOREIGN} {_printable(', '.join(foreign[:_FEW]))}{more}")
    sys.exit(f"{REFUSED} {type(error).__name__}: {_printable(str(error))}")


def _printable(text: str) -> str:
    """Return a text of a stranger's as one short line of plain characters."""
    line = " ".join(text.split())
    return json.dumps(line[:_SHOWN])[1:-1].replace('\\"', '"')


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(length) for length in sys.argv[3:]])
