"""Rules for the user's own calibration tables and qtables: they must fit the network that they are used for.

The toolchain ignores a line of a qtable that names an unknown layer or an unknown mode: the layer stays INT8,
without a warning. If a calibration table has no threshold for a layer, an assertion of the compiler fails; if
the last layer has none, the result is another file. (Seen with tpu_mlir 1.7.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import listing
from cvimake.core.errors import CvimakeError
from cvimake.project.mistakes import did_you_mean

_FEW = 3
# Like the toolchain's own pattern, this takes no plus sign.
_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
_THRESHOLD = re.compile(rf"(?P<layer>\S+)\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}")
# Parts after the thresholds: those for INT4, which these processors do not compute, and scales of weights.
_OTHER_PARTS = ("#int4_th", "#weight_scale")
_MODE = re.compile(r"(?P<layer>\S+)\s+(?:BF16|F16|F32|INT8)", re.IGNORECASE)


# The remedy for each kind of table, by its key in model.toml.
REMEDIES = {
    "calibration_table": "Leave calibration_table out, so that cvimake makes one, or use a table that was "
    "made from this network with the same [output] names",
    "qtable": "The toolchain would ignore such lines, and the layers would stay INT8. The names of the "
    'layers are in build/MODEL/MODEL.mlir, in loc("..."). With qtable = {} cvimake searches for '
    "the layers itself",
}


@dataclass(frozen=True)
class Table:
    """A calibration table or a qtable.

    Attributes:
        rows: for each layer, the number of its line in the file.
    """

    path: Path
    rows: Mapping[str, int]


def parse_calibration(path: Path, text: str) -> Table:
    """Return the calibration table in a text.

    Raises:
        CvimakeError: it has no lines, or a line that is not as it has to be.
    """
    table = _parse(path, text, _THRESHOLD, "LAYER THRESHOLD MIN MAX")
    if not table.rows:
        raise CvimakeError(f"{path} holds no thresholds")
    return table


def parse_qtable(path: Path, text: str) -> Table:
    """Return the qtable in a text.

    Raises:
        CvimakeError: a line is not as it has to be.
    """
    return _parse(path, text, _MODE, "LAYER MODE, where MODE is BF16, F16, F32 or INT8")


def _parse(path: Path, text: str, row: re.Pattern[str], form: str) -> Table:
    rows: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_OTHER_PARTS):
            break
        if not line.strip() or line.startswith("#"):
            continue
        match = row.fullmatch(line)
        if match is None:
            raise CvimakeError(f"{path}:{number}: {line[:60]!r} is not of the form {form}")
        rows[match["layer"]] = number
    return Table(path, rows)


def foreign_names(table: Table, tensors: Collection[str]) -> str:
    """Describe the layers of a table that cannot be of an ONNX network; return an empty text if all can.

    The toolchain names a layer after its output tensor, followed by its operator: `x_Conv`.
    """

    def is_known(layer: str) -> bool:
        # A layer that the conversion adds is called `x/Mul`.
        ends = [place for place, character in enumerate(layer) if character in "_/"]
        return layer in tensors or any(layer[:end] in tensors for end in ends)

    return _unknown(table, is_known, tensors)


def unknown_layers(table: Table, layers: Sequence[Sequence[str]]) -> str:
    """Describe the lines of a qtable that name no layer; return an empty text if all do."""
    known = {name for names in layers for name in names}
    return _unknown(table, known.__contains__, known)


def missing_layers(table: Table, layers: Sequence[Sequence[str]]) -> str:
    """Describe the layers without a threshold in a calibration table; return an empty text for none."""
    missing = [names[0] for names in layers if table.rows.keys().isdisjoint(names)]
    if not missing:
        return ""
    return (
        f"{table.path} has no threshold for {len(missing)} of the network's {len(layers)} layers: "
        f"{listing.line(map(repr, missing), _FEW)}"
    )


def _unknown(table: Table, is_known: Callable[[str], bool], known: Collection[str]) -> str:
    unknown = [layer for layer in table.rows if not is_known(layer)]
    if not unknown:
        return ""
    first, *others = unknown
    where = f"{table.path}:{table.rows[first]}"
    if len(unknown) == len(table.rows) > 1:
        return (
            f"{where}: the network has none of the {len(table.rows)} layers of this table, for example "
            f"{first!r}: it is the table of another network"
        )
    told = [f"{layer!r} (line {table.rows[layer]})" for layer in others]
    also = f", nor {listing.line(told, _FEW)}" if told else ""
    return f"{where}: the network has no layer {first!r}{also}{did_you_mean(first, known)}"
