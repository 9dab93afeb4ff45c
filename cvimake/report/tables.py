"""Reads the tables that the toolchain writes: thresholds, layers that stay float, and losses of a search."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvimake.core.errors import CvimakeError
from cvimake.pipeline import named_outputs
from cvimake.pipeline.checks import tables
from cvimake.report.data import Threshold
from cvimake.report.variant_data import Layer

_LOSS = re.compile(r"No\.\d+\s*: Layer: (?P<layer>.*\S)\s+Cos: (?P<cosine>-?[\d.]+(?:e-?\d+)?)\s*")


def text_of(path: Path) -> str:
    """Return the text of a file; empty if there is none or it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def thresholds(path: Path) -> tuple[Threshold, ...]:
    """Return the thresholds of a calibration table, in the network's order; none if it cannot be read."""
    text = text_of(path)
    try:
        rows = tables.parse_calibration(path, text).rows
    except CvimakeError:
        return ()
    lines = text.split("\n")
    found = []
    for layer, number in rows.items():
        threshold, lowest, highest = map(float, lines[number - 1].split()[1:])
        found.append(Threshold(layer=layer, threshold=threshold, lowest=lowest, highest=highest))
    return tuple(found)


def float_layers(path: Path) -> tuple[str, ...] | None:
    """Return the layers that a qtable lists; None if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return tuple(tables.parse_qtable(path, text).rows)
    except (OSError, UnicodeDecodeError, CvimakeError):
        return None


def losses(path: Path, order: Sequence[str]) -> tuple[Layer, ...]:
    """Return the cosine of the output of each layer that a search has tried, in the order of the network.

    Args:
        path: the search's table of losses.
        order: the layers of the network; the search writes the worst layer first.
    """
    depth: Mapping[str, int] = {name: place for place, name in enumerate(order)}
    matches = [match for line in text_of(path).splitlines() if (match := _LOSS.fullmatch(line))]
    found = [Layer(name=match["layer"], value=float(match["cosine"])) for match in matches]
    return tuple(sorted(found, key=lambda layer: depth.get(layer.name, len(depth))))


def outputs(path: Path) -> tuple[str, ...]:
    """Return the names of a network's outputs in their order; none if they cannot be read."""
    try:
        return tuple(one.declared for one in named_outputs.from_json(path.read_bytes()))
    except (OSError, ValueError):
        return ()


def json_object(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file; empty if there is none."""
    found = _json(path)
    return found if isinstance(found, dict) else {}


def json_list(path: Path) -> list[Any] | None:
    """Return the JSON list in a file; None if there is none."""
    found = _json(path)
    return found if isinstance(found, list) else None


def _json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON value in a file; None if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
