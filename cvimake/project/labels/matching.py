"""Matches the class names of labels with those of a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvimake.project.labels.findings import Findings, shown
from cvimake.project.mistakes import did_you_mean

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_MANY = 5


def matched(
    place: Path, names: Sequence[str], classes: Sequence[str], findings: Findings, *, strict: bool = False
) -> Mapping[str, int]:
    """Return the index of the model's class for each name; a name that the model does not have is left out.

    Upper and lower case, and what separates words, make no difference, unless the model has two such names.

    Args:
        place: where the names are.
        names: of the labels, each once.
        classes: of the model; if it declares none, the labels' names are its classes, in their order.
        findings: takes what does not match.
        strict: whether a name that the model does not have is a mistake, and not only told.
    """
    if not classes:
        what = "the model declares no classes; those of the labels are taken, in their order"
        findings.note(place, what)
        return {name: index for index, name in enumerate(names)}
    exact = {name: index for index, name in enumerate(classes)}
    plain: dict[str, list[int]] = {}
    for index, name in enumerate(classes):
        plain.setdefault(_plain(name), []).append(index)
    found: dict[str, int] = {}
    for name in names:
        alike = plain.get(_plain(name), [])
        if name in exact:
            found[name] = exact[name]
        elif len(alike) == 1:
            found[name] = alike[0]
    unknown = [name for name in names if name not in found]
    if names and (strict or not found):
        for name in unknown:
            findings.mistake(place, f"the model has no class {shown(name)}{did_you_mean(name, classes)}")
    else:
        _tell(place, unknown, classes, findings)
    return found


def _tell(place: Path, unknown: Sequence[str], classes: Sequence[str], findings: Findings) -> None:
    named = ", ".join(f"{shown(name)}{did_you_mean(name, classes)}" for name in unknown[:_MANY])
    more = f" and {len(unknown) - _MANY} more" if len(unknown) > _MANY else ""
    if unknown:
        findings.note(
            place, f"these classes are not the model's, and objects of them are left out: {named}{more}"
        )


def _plain(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", name.strip()).casefold()
