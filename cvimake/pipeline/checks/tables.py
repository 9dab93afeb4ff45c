"""The user's own calibration tables and qtables, held against the network that they are used for.

The toolchain passes over what it does not know: where a line of a qtable names a layer that is not there, or
no mode, the layer stays INT8 without a word. A layer that a calibration table has no threshold for ends in an
assertion of the compiler, or, where it comes last, in another file. (Seen with tpu_mlir 1.7.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.project.mistakes import did_you_mean

_LARGEST = 64 * 1024**2
_FEW = 3
# As the toolchain's own pattern has it: no plus sign.
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
_THRESHOLD = re.compile(rf"(?P<layer>\S+)\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}")
# Thresholds for INT4, which these processors do not compute, and scales of weights.
_OTHER_PARTS = ("#int4_th", "#weight_scale")
_MODE = re.compile(r"(?P<layer>\S+)\s+(?:BF16|F16|F32|INT8)", re.IGNORECASE)


# What to do about either, by its key in model.toml.
REMEDIES = {
    "calibration_table": "Leave calibration_table out, so that one is made, or take one that was made from "
    "this network with the same [output] names",
    "qtable": "The toolchain would pass over such lines, and the layers stay INT8. They are called as in "
    'build/MODEL/MODEL.mlir, in loc("..."). With qtable = {} they are searched for',
}


@dataclass(frozen=True)
class Table:
    """What a table says something of.

    Attributes:
        rows: the line in the file for each layer.
    """

    path: Path
    rows: Mapping[str, int]


def read_calibration(path: Path) -> Table:
    """A calibration table.

    Raises:
        CvimakeError: it has no lines, or one that is not as it has to be.
    """
    table = _read(path, _THRESHOLD, "LAYER THRESHOLD MIN MAX")
    if not table.rows:
        raise CvimakeError(f"{path} holds no thresholds")
    return table


def read_qtable(path: Path) -> Table:
    """A qtable.

    Raises:
        CvimakeError: a line of it is not as it has to be.
    """
    return _read(path, _MODE, "LAYER MODE, with BF16, F16, F32 or INT8 as the mode")


def _read(path: Path, row: re.Pattern[str], form: str) -> Table:
    try:
        if path.stat().st_size > _LARGEST:
            raise CvimakeError(f"{path} is larger than any table")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CvimakeError(f"{path} is not UTF-8 text, and a table is") from error
    except OSError as error:
        raise CvimakeError(f"{path} cannot be read: {error.strerror}") from error
    rows: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_OTHER_PARTS):
            break
        if not line.strip() or line.startswith("#"):
            continue
        match = row.fullmatch(line)
        if match is None:
            raise CvimakeError(f"{path}:{number}: {line[:60]!r} is not {form}")
        rows[match["layer"]] = number
    return Table(path, rows)


def foreign_names(table: Table, tensors: Collection[str]) -> str:
    """What in a table cannot be of an ONNX network; empty where all can.

    The toolchain calls a layer by the tensor that it puts out, with its operator behind that: `x_Conv`.
    """

    def is_known(layer: str) -> bool:
        # The conversion calls what it adds `x/Mul`.
        ends = [place for place, character in enumerate(layer) if character in "_/"]
        return layer in tensors or any(layer[:end] in tensors for end in ends)

    return _unknown(table, is_known, tensors)


def unknown_layers(table: Table, layers: Sequence[Sequence[str]]) -> str:
    """What in a qtable names no layer; empty where all do."""
    known = {name for names in layers for name in names}
    return _unknown(table, known.__contains__, known)


def missing_layers(table: Table, layers: Sequence[Sequence[str]]) -> str:
    """What a calibration table has no thresholds for; empty where it has all."""
    missing = [names[0] for names in layers if table.rows.keys().isdisjoint(names)]
    if not missing:
        return ""
    return (
        f"{table.path} has no threshold for {len(missing)} of the network's {len(layers)} layers: "
        f"{_listed(map(repr, missing))}"
    )


def _unknown(table: Table, is_known: Callable[[str], bool], known: Collection[str]) -> str:
    unknown = [layer for layer in table.rows if not is_known(layer)]
    if not unknown:
        return ""
    first, *others = unknown
    where = f"{table.path}:{table.rows[first]}"
    if len(unknown) == len(table.rows) > 1:
        return (
            f"{where}: none of its {len(table.rows)} layers is one of the network's, {first!r} for one: it "
            "is the table of another network"
        )
    told = [f"{layer!r} (line {table.rows[layer]})" for layer in others]
    also = f", nor {_listed(told)}" if told else ""
    return f"{where}: the network has no layer {first!r}{also}{did_you_mean(first, known)}"


def _listed(words: Iterator[str] | Sequence[str]) -> str:
    words = list(words)
    more = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
    return ", ".join(words[:_FEW]) + more
