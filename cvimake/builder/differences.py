"""The differences between two definitions of a stage, and between two toolchains."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from cvimake.builder.reasons import OptionChanged, ToolchainChanged
from cvimake.core import digest

# The length of a longer list is told instead of its values.
_LONGEST_LIST = 100
_SHOWN_OF_SHA256 = 12

Definition = Any  # a JSON value; see `Action.definition`


def definition_changes(old: Definition, new: Definition) -> tuple[OptionChanged, ...]:
    """Return every changed part of a definition: the tool's options, the environment, texts, budgets.

    Changes of input files are not among them: only the caller knows their paths.
    """
    before, now = _options(old), _options(new)
    texts, new_texts = _texts(old), _texts(new)
    for name in {**texts, **new_texts}:
        # Most texts are equal, and some are long, such as the labels of a dataset.
        if texts.get(name) != new_texts.get(name):
            values, new_values = _of_text(name, texts.get(name)), _of_text(name, new_texts.get(name))
            if values == new_values:
                # The same values are written in another way.
                values, new_values = {name: texts[name]}, {name: new_texts[name]}
            before |= values
            now |= new_values
    changed = [
        OptionChanged(name, before.get(name), now.get(name))
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    # Without names of their own, they would all move by one when one is added.
    words, new_words = _words(old), _words(new)
    gone = [word for word in words if word not in new_words]
    come = [word for word in new_words if word not in words]
    changed += [OptionChanged("argument", *pair) for pair in itertools.zip_longest(gone, come)]
    return tuple(changed)


def identity_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[ToolchainChanged, ...]:
    """Every part of a toolchain's identity that is another; of a package its version where that says it."""
    before, now = dict(_leaves("", old)), dict(_leaves("", new))
    parts = sorted(part for part in before.keys() | now.keys() if before.get(part) != now.get(part))
    return tuple(
        ToolchainChanged(part, before.get(part), now.get(part))
        for part in parts
        if not (part.endswith(".sha256") and f"{part.removesuffix('.sha256')}.version" in parts)
    )


def members(definition: Definition) -> frozenset[str]:
    """Return the names of all members of a definition's folders."""
    action, _ = _parts(definition)
    return frozenset(name for names in action.get("folders", {}).values() for name in names)


def _parts(definition: Definition) -> tuple[Mapping[str, Any], Any]:
    """Return a definition's action, and the rest of the definition."""
    if isinstance(definition, list) and definition and isinstance(definition[0], dict):
        return definition[0], definition[1:]
    return {}, definition


def _options(definition: Definition) -> dict[str, str]:
    """Everything in a definition that has a name, and its value."""
    action, rest = _parts(definition)
    options = {}
    for argument in action.get("argv", ()):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            options[f"option {name}"] = value if equals else "given"
    options |= {f"environment {name}": value for name, value in action.get("environment", {}).items()}
    for part in rest if isinstance(rest, list) else [rest]:
        options |= dict(_leaves("", part))
    return options


def _texts(definition: Definition) -> Mapping[str, str]:
    """Return the generated files of a definition's action, by their names."""
    texts: Mapping[str, str] = _parts(definition)[0].get("texts", {})
    return texts


def _of_text(name: str, text: str | None) -> dict[str, str]:
    """Return the values in a generated file, by its name and their place; of another than JSON, its text."""
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {name: text}
    if not isinstance(value, Mapping):
        return {name: _in_short(value, text)}
    return {f"{name} {place}": _in_short(inner, shown) for place, inner, shown in _places("", value)}


def _in_short(value: object, shown: str) -> str:
    """Return a value as text: if it is a long list, its length, and a digest by which two are told apart."""
    if isinstance(value, list) and len(shown) > _LONGEST_LIST:
        return f"{len(value)} entries with sha256 {digest.of_text(shown)[:_SHOWN_OF_SHA256]}"
    return shown


def _words(definition: Definition) -> list[str]:
    """Return the arguments of a definition's command that have no name."""
    action, _ = _parts(definition)
    return [argument for argument in action.get("argv", ()) if not argument.startswith("--")]


def _leaves(place: str, value: object) -> Iterator[tuple[str, str]]:
    """Every value inside a JSON value as text, by its place in it; None is left out."""
    for inner_place, _, shown in _places(place, value):
        yield inner_place, shown


def _places(place: str, value: object) -> Iterator[tuple[str, object, str]]:
    """Every value inside a JSON value, with its place in it before it and its text after it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _places(f"{place}.{key}" if place else key, inner)
    elif value is not None:
        yield place, value, value if isinstance(value, str) else json.dumps(value)
