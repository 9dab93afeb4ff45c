"""On which line of a TOML file a key stands: the parser does not tell."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, key: tuple[str | int, ...]) -> int:
    """The line (from 1) on which a key stands, or the nearest table around it; 1 if there is none."""
    names = tuple(part for part in key if isinstance(part, str))
    places = _places(text)
    for length in range(len(names), 0, -1):
        if names[:length] in places:
            return places[names[:length]]
    return 1


def _places(text: str) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            # Inside a text of several lines nothing is a key.
            quote = "" if quote in line else quote
            continue
        if header := _HEADER.match(line):
            table = _parts(header[1])
            places.setdefault(table, number)
            continue
        outer = table
        # The first key of a line holds what follows it on the line: an inline table's keys are below it.
        for position, found in enumerate(_KEY.finditer(_without_texts(line))):
            names = outer + _parts(line[found.start(1) : found.end(1)])
            places.setdefault(names, number)
            if position == 0:
                outer = names
        quote = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return places


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _without_texts(line: str) -> str:
    """The line with its comment and the insides of quoted values blanked, at the same length."""
    blanked = re.sub(
        r"""=\s*("(?:[^"\\]|\\.)*"|'[^']*')""", lambda found: "=" + " " * (len(found[0]) - 1), line
    )
    return re.sub(r"#.*$", lambda found: " " * len(found[0]), blanked)
