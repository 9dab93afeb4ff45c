"""The layers of a network that is MLIR, by the names that tables and comparisons know them by.

Source: MLIR as tpu_mlir 1.7 prints it: an operation a line, its name as a location at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cvimake.errors import CvimakeError

_LAYER = re.compile(r'^ *%\S+ = "top\.(?P<kind>\w+)"\(.*\bloc\((?P<place>.+)\)$', re.MULTILINE)
_ALIAS = re.compile(r"^(?P<alias>#loc\d*) = loc\((?P<place>.+)\)$", re.MULTILINE)
_PART = re.compile(r'"(?P<name>(?:[^"\\]|\\.)*)"|(?P<alias>#loc\d*)')
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{2}|.)")
# What is no layer: weights, and the place of one that is left out.
_NO_LAYERS = frozenset({"Weight", "None"})
_DEEPEST = 8


def layers(path: Path) -> tuple[tuple[str, ...], ...]:
    """The names of what each layer puts out, the inputs among them, in the order of the file.

    Raises:
        CvimakeError: it names no layers.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    aliases = {match["alias"]: match["place"] for match in _ALIAS.finditer(text)}
    found = tuple(
        names
        for match in _LAYER.finditer(text)
        if match["kind"] not in _NO_LAYERS and (names := _names(match["place"], aliases))
    )
    if not found:
        raise CvimakeError(f"{path} names no layers: it is not as tpu_mlir 1.7 writes it")
    return found


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
