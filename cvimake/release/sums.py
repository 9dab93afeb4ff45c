"""`SHA256SUMS`, as `sha256sum --check` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write(sums: Mapping[str, str]) -> str:
    """Return the text of the file: one line for each name and its sha256, in the order of the names."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def read(text: str) -> tuple[dict[str, str], list[str]]:
    """Read the text of the file. Return the sha256 of each name, and the faults; wrong lines are left out."""
    listed: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            faults.append(f"line {number} is not a sha256, two spaces and a name")
        elif not is_safe(match[2]):
            faults.append(f"line {number}: {match[2]!r} cannot be the name of a file in a release")
        elif match[2] in listed:
            faults.append(f"line {number}: {match[2]} is listed twice")
        else:
            listed[match[2]] = match[1]
    if not faults and write(listed) != text:
        faults.append("its lines are not in order, or the last line has no line break")
    return listed, faults


def is_safe(name: str) -> bool:
    """Tell whether a relative path certainly stays inside the folder that it starts from."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and name.isprintable()
        and not path.is_absolute()
        and str(path) == name
        and ".." not in path.parts
        and "\\" not in name
    )
