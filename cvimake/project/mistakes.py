"""Explains mistakes in declarations: the place, the mistake, and the word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cvimake.project.lines import Key, line_of
from cvimake.project.refused import REFUSED
from cvimake.project.wording import said


@dataclass(frozen=True)
class File:
    """A TOML file that was read.

    Attributes:
        table: our table in it, if the file holds others too.
    """

    path: Path
    text: str
    table: tuple[str, ...] = ()

    def place(self, key: Key) -> str:
        """Return the file and the line of a key."""
        return f"{self.path}:{line_of(self.text, (*self.table, *key))}"

    def mistake(self, key: Key, what: str) -> str:
        """Return a mistake at a key, with file and line."""
        return f"{self.place(key)}: {_dotted(key)}: {what}" if key else f"{self.place(key)}: {what}"


def explain(file: File, model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """Yield every mistake that pydantic found, once."""
    seen = set()
    for detail in error.errors():
        key = tuple(part for part in detail["loc"] if not _is_branch(part))
        what = _what(model, key, detail)
        if (key, what) not in seen:
            seen.add((key, what))
            yield file.mistake(key, what)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or an empty text if no known word is similar."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower_case), n=3, cutoff=0.6)
    # A typing mistake often has the same letters in another order.
    found.sort(key=lambda candidate: sorted(candidate) != sorted(word.lower()))
    near = [by_lower_case[candidate] for candidate in found]
    return f"; did you mean {near[0]}?" if near else ""


def _what(model: type[BaseModel], key: Key, detail: Any) -> str:  # noqa: ANN401 - pydantic's
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        name = str(key[-1])
        if reason := REFUSED.get(name):
            return f"refused: {reason}"
        return f"no such key{did_you_mean(name, _known_keys(model, key[:-1]))}"
    if kind == "literal_error":
        expected = context["expected"].replace("'", "")
        words = [word.strip() for part in expected.split(" or ") for word in part.split(",")]
        return (
            f"{detail['input']!r} is not one of {', '.join(words)}{did_you_mean(str(detail['input']), words)}"
        )
    if kind == "value_error":
        return str(context["error"])
    return said(key, detail)


def _known_keys(model: type[BaseModel], key: Sequence[str | int]) -> list[str]:
    """Return the keys of the table that a key leads to."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in key:
        node = _resolve(schema, node)
        node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
        # If a table is one of several possibilities, it is the one with keys.
        choices = [*node.get("anyOf", []), *node.get("oneOf", [])]
        choices += [inner for choice in choices for inner in choice.get("oneOf", [])]
        node = next((choice for choice in choices if "$ref" in choice), node)
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return target
    return node


def _is_branch(part: str | int) -> bool:
    """Tell whether a part of pydantic's location is a branch of a union instead of a key of the file."""
    return isinstance(part, str) and part.startswith(("<", "function-"))


def _dotted(key: Key) -> str:
    """`variant.int8.tolerance[1]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
