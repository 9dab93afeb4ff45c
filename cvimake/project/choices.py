"""Values of a declaration that are still to be filled in; `./doit init` writes CHOOSE there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from cvimake.project.lines import Key
from cvimake.project.mistakes import File

_OPEN = re.compile(r"CHOOSE\b")


def open_choices(file: File, values: object, datasets: Iterable[str]) -> dict[str, str]:
    """Return the open choices of a file: for the place of each (file, line and key), what to do there."""
    found = {}
    for key, value in _texts(values, ()):
        if _OPEN.match(value):
            known = f". Datasets here: {', '.join(datasets)}" if key[-1:] == ("dataset",) and datasets else ""
            found[file.mistake(key, "")] = f'still says "{value}": fill it in{known}'
    return found


def _texts(value: object, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, (*key, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*key, number))
