"""`SHA256SUMS`, as `sha256sum --check` reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write(sums: Mapping[str, str]) -> str:
    """The file's text: one line for each name and its sha256, by name."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def read(text: str) -> tuple[dict[str, str], list[str]]:
    """The sha256 of each name, and what is wrong with the text; a wrong line lists nothing."""
    listed: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            faults.append(f"line {number} is not a sha256, two spaces and a name")
        elif not is_safe(match[2]):
            faults.append(f"line {number}: {match[2]!r} is not a name of a file in a release")
        elif match[2] in listed:
            faults.append(f"line {number}: {match[2]} stands there twice")
        else:
            listed[match[2]] = match[1]
    if not faults and write(listed) != text:
        faults.append("its lines are not in order, or its last one does not end")
    return listed, faults


def is_safe(name: str) -> bool:
    """Whether a name can only mean a file inside the folder that it is meant from."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and name.isprintable()
        and not path.is_absolute()
        and str(path) == name
        and ".." not in path.parts
        and "\\" not in name
    )
