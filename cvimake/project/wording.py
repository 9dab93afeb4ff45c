"""Puts the mistakes that pydantic finds into the words of TOML, with an example of a right value."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from cvimake.project.dataset import Dataset
from cvimake.project.lines import Key
from cvimake.project.model import Model
from cvimake.project.settings import ClusterOptions, Settings, StoreOptions

# An example of each table by its key. The examples of other keys are declared with their fields.
_FETCHED = '[fetch.files] with "cat.jpg" = { url = "https://example.org/cat.jpg", sha256 = "..." }'
TABLES = {
    "archives": '[fetch.archives.photos] with url = "https://example.org/photos.zip"',
    "accuracy": '[accuracy] with dataset = "street"',
    "budget": "[budget] with size = 4000000",
    "calibration": '[calibration] with dataset = "coco2017"',
    "cluster": '[tool.cvimake.cluster] with url = "tls://scheduler:8786"',
    "deploy": "[deploy] with quant_input = true",
    "fetch": _FETCHED,
    "files": _FETCHED,
    "input": "[input] with shapes = [[1, 3, 640, 640]]",
    "limits": "[tool.cvimake.limits] with memory = 8.0",
    "onnx": "[onnx] with opset = 17",
    "output": '[output] with names = ["output0"]',
    "qtable": "qtable = { expected_cos = 0.999 }",
    "store": '[tool.cvimake.store] with url = "../store"',
    "variant": '[variant.int8] with quantize = "INT8"',
    "verify": '[verify] with input = "dog.jpg"',
}
# Each type of value in words, and an example of it for a key that has none of its own.
_KINDS = {
    "string_type": ("a string in quotes", '"text"'),
    "int_type": ("a whole number", "1"),
    "float_type": ("a number", "1.0"),
    "finite_number": ("a number", "1.0"),
    "bool_type": ("true or false", "true"),
    "list_type": ("a list in brackets", "[...]"),
    "tuple_type": ("a list in brackets", "[...]"),
    "dict_type": ("a table", ""),
    "model_type": ("a table", ""),
}
_BOUNDS = {
    "ge": "too small: it must be at least",
    "gt": "too small: it must be more than",
    "le": "too large: it must be at most",
}
_OTHERS = {"int_parsing_size": "{given} is too large a number"}
_LONGEST = 40
# The keys of these tables have another meaning than the same keys of other tables.
_OWN_KEYS: Mapping[type[BaseModel], str] = {StoreOptions: "store", ClusterOptions: "cluster"}


@functools.cache
def examples() -> Mapping[str, str]:
    """Return an example of each key's value, as TOML; those of `_OWN_KEYS` with their table."""
    found: dict[str, str] = {}
    for root in (Model, Settings, Dataset):
        _collect(root, found)
    return found


def _collect(table: type[BaseModel], found: dict[str, str]) -> None:
    for name, field in table.model_fields.items():
        types = list(_types_in(field.annotation))
        for inner in types:
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                _collect(inner, found)
        literals = [value for inner in types if get_origin(inner) is Literal for value in get_args(inner)]
        shown = [*(field.examples or []), *literals, *([True] if bool in types else [])]
        if shown:
            own = _OWN_KEYS.get(table)
            found.setdefault(f"{own}.{name}" if own else name, json.dumps(shown[0]))


def _types_in(annotation: object) -> Iterator[object]:
    yield annotation
    if get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _types_in(inner)


def said(key: Key, detail: Mapping[str, Any]) -> str:
    """Return a mistake in words; `detail` is one of pydantic's `ValidationError.errors()`."""
    kind, given, context = detail["type"], _shown(detail["input"]), detail.get("ctx", {})
    if kind in _KINDS:
        words, example = _KINDS[kind]
        return f"{given} is not {words}{_example(key, example, is_table=not example)}"
    if kind == "missing":
        is_table = key == ("fetch", "files") or (len(key) == 1 and key[0] in TABLES)
        return f"is missing{_example(key, is_table=is_table)}"
    if kind in {"too_short", "too_long", "string_too_short"}:
        return f"{_wrong_length(kind, context)}{_example(key, is_table=isinstance(detail['input'], Mapping))}"
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{given} is {words} {context[bound]:g}"
    return _OTHERS.get(kind, f"{detail['msg'][0].lower()}{detail['msg'][1:]}").format(given=given)


def _wrong_length(kind: str, context: Mapping[str, Any]) -> str:
    if not context.get("actual_length"):
        return "is empty"
    wanted = context["min_length" if kind == "too_short" else "max_length"]
    return f"has the wrong number of values: {context['actual_length']} instead of {wanted}"


def _example(key: Key, otherwise: str = "", *, is_table: bool) -> str:
    """Return `; for example: KEY = VALUE`, or an empty text if there is no example."""
    names = [part for part in key if isinstance(part, str)]
    if is_table:
        found = [TABLES[name] for name in reversed(names) if name in TABLES]
        return f"; for example: {found[0]}" if found else ""
    name = names[-1] if names else ""
    example = examples().get(".".join(names[-2:])) or examples().get(name, otherwise)
    return f"; for example: {name} = {example}" if example else ""


def _shown(value: object) -> str:
    """Return a value as TOML writes it, shortened if it is long."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
