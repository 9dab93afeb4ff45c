"""The layers and outputs of a network that is MLIR, by the names that tables and comparisons know them by.

Source: MLIR as tpu_mlir 1.7 prints it: an operation a line, its name as a location at the end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.errors import CvimakeError

_LAYER = re.compile(r'^ *(?P<value>%\w+)\S* = "top\.(?P<kind>\w+)"\(.*\bloc\((?P<place>.+)\)$', re.MULTILINE)
_RETURN = re.compile(r"^ *return (?P<values>%[^:]*) : (?P<types>.*) loc\(.*\)$", re.MULTILINE)
_TYPE = re.compile(r"tensor<(?P<sizes>(?:\d+x)*)[^>]*>")
_ALIAS = re.compile(r"^(?P<alias>#loc\d*) = loc\((?P<place>.+)\)$", re.MULTILINE)
_PART = re.compile(r'"(?P<name>(?:[^"\\]|\\.)*)"|(?P<alias>#loc\d*)')
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2}|.)")
# Operations that are no layers: weights, and the place of weights that are left out.
_NO_LAYERS = frozenset({"Weight", "None"})
_DEEPEST = 8


@dataclass(frozen=True)
class Output:
    """A tensor that a network ends in.

    Attributes:
        name: of its layer.
        value: what MLIR calls it; two outputs that are one tensor have the same.
        size: how many numbers it has.
    """

    name: str
    value: str
    size: int


def outputs(path: Path, text: str) -> tuple[Output, ...]:
    """Return the outputs of a network, in their order. The path is only for messages.

    Raises:
        CvimakeError: the text is not MLIR as tpu_mlir 1.7 writes it.
    """
    aliases = _aliases(text)
    names = {match["value"]: match["place"] for match in _LAYER.finditer(text)}
    found = _RETURN.search(text)
    if found is None:
        raise CvimakeError(f"{path} says no outputs: it is not as tpu_mlir 1.7 writes it")
    values = [value.strip() for value in found["values"].split(",")]
    sizes = [
        math.prod(int(size) for size in match["sizes"].split("x") if size)
        for match in _TYPE.finditer(found["types"])
    ]
    if len(sizes) != len(values):
        raise CvimakeError(f"{path} says outputs of an unknown type: it is not as tpu_mlir 1.7 writes it")
    return tuple(
        Output(_name(value, names, aliases), value, size) for value, size in zip(values, sizes, strict=True)
    )


def _name(value: str, places: Mapping[str, str], aliases: Mapping[str, str]) -> str:
    """Return the name of a value; `%4#1` is the second output of a layer."""
    whole, _, number = value.partition("#")
    names = _names(places.get(whole, ""), aliases)
    return names[int(number or 0)] if int(number or 0) < len(names) else ""


def layers(path: Path, text: str) -> tuple[tuple[str, ...], ...]:
    """Return the names of each layer's output tensors, in the file's order, inputs included. See `outputs`.

    Raises:
        CvimakeError: the text names no layers.
    """
    aliases = _aliases(text)
    found = tuple(
        names
        for match in _LAYER.finditer(text)
        if match["kind"] not in _NO_LAYERS and (names := _names(match["place"], aliases))
    )
    if not found:
        raise CvimakeError(f"{path} names no layers: it is not as tpu_mlir 1.7 writes it")
    return found


def _aliases(text: str) -> dict[str, str]:
    return {match["alias"]: match["place"] for match in _ALIAS.finditer(text)}


def _names(place: str, aliases: Mapping[str, str], depth: int = 0) -> tuple[str, ...]:
    names: list[str] = []
    for part in _PART.finditer(place):
        if part["alias"] is None:
            names.append(_ESCAPED.sub(_character, part["name"]))
        elif depth < _DEEPEST:
            names += _names(aliases.get(part["alias"], ""), aliases, depth + 1)
    return tuple(names)


def _character(escaped: re.Match[str]) -> str:
    code = escaped[1]
    return code if len(code) == 1 else chr(int(code, 16))
