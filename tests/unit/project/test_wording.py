from __future__ import annotations

import copy
import datetime as dt
import math
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from cvimake.project.dataset import Dataset
from cvimake.project.mistakes import File, explain
from cvimake.project.model import Model
from cvimake.project.settings import Settings
from cvimake.project.wording import TABLES, examples

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FETCH = {
    "files": {"a": {"sha256": "0" * 64}},
    "archives": {"a": {"sha256": "0" * 64, "url": "https://example.org/photos.zip"}},
}
GOOD: dict[str, Any] = {
    "fetch": FETCH,
    "source": "net.onnx",
    "verify": {"input": "cat.png"},
    "variant": {"a": {"quantize": "INT8"}},
}
ROOTS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Model, GOOD),
    (Settings, {}),
    (Dataset, {"fetch": FETCH}),
]
Place = tuple[str, ...]
# The tables of these keys have names that the user chooses.
BY_NAME = frozenset({"archives", "files", "variant"})
# Of each type that TOML has, and at each edge.
WRONG: list[Any] = [
    3, -1, 0, 1.5, -1.5, math.nan, math.inf, 10**30, "x", "", True, [], [[]], ["x"], [1], [1.5], [True], [{}],
    [1, 2, 3, 4, 5], {}, {"x": 1}, dt.date(2024, 1, 1),
]  # fmt: skip


def tables_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from tables_in(inner)


def keys(table: type[BaseModel], before: Place = ()) -> Iterator[tuple[Place, bool]]:
    """Every key, and whether it is one of a table alone."""
    for name, field in table.model_fields.items():
        inner = list(tables_in(field.annotation))
        yield (*before, name), bool(inner)
        for each in inner:
            yield from keys(each, (*before, name, *(["a"] if name in BY_NAME else [])))


def put(values: dict[str, Any], key: Place, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(values)
    table = changed
    for part in key[:-1]:
        if not isinstance(table.get(part), dict):
            table[part] = {}
        table = table[part]
    table[key[-1]] = value
    return changed


def said_of(table: type[BaseModel], values: dict[str, Any]) -> list[str]:
    try:
        table.model_validate(values)
    except ValidationError as error:
        return list(explain(File(Path("a.toml"), ""), table, error))
    return []


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root[0].__name__)
def test_every_mistake_is_told_in_words_of_toml(root: tuple[type[BaseModel], dict[str, Any]]) -> None:
    table, good = root
    told: set[str] = set()
    for key, _ in keys(table):
        for value in WRONG:
            told |= set(said_of(table, put(good, key, value)))
    for what in told:
        for word in ("valid", "tuple", "dictionary", "integer", "boolean", "input should", "instance"):
            assert f" {word}" not in what.lower().replace("valid list", ""), what
        if " is not a " in what or " is not true or false" in what:
            assert "; for example: " in what, what
    assert len(told) > 20


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root[0].__name__)
def test_every_example_is_a_right_value_of_its_key(root: tuple[type[BaseModel], dict[str, Any]]) -> None:
    table, good = root
    for key, is_table in keys(table):
        if is_table:
            assert key[-1] in TABLES, f"give [{key[-1]}] an example in cvimake/project/wording.py"
        elif key[-1] in examples():
            value = tomllib.loads(f"{key[-1]} = {examples()[key[-1]]}")[key[-1]]
            table.model_validate(put(good, key, value))


def mistakes(**values: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({**GOOD, **values})
    told = explain(File(Path("a.toml"), ""), Model, caught.value)
    return [line.removeprefix("a.toml:1: ") for line in told]


def test_a_value_of_another_type_is_shown_with_an_example_of_what_belongs_there() -> None:
    assert mistakes(input={"resize_dims": [1]}) == [
        (
            "input.resize_dims: has the wrong number of values: 1 instead of 2; "
            "for example: resize_dims = [256, 256]"
        )
    ]
    assert mistakes(input={"mean": 0.5, "keep_aspect_ratio": "yes"}) == [
        'input.keep_aspect_ratio: "yes" is not true or false; for example: keep_aspect_ratio = true',
        "input.mean: 0.5 is not a list in brackets; for example: mean = [0.0, 0.0, 0.0]",
    ]
    assert mistakes(deploy={"tolerance": 0.9}) == [
        "deploy.tolerance: 0.9 is not a list in brackets; for example: tolerance = [0.99, 0.9]"
    ]
    assert mistakes(input=3) == [
        "input: 3 is not a table; for example: [input] with shapes = [[1, 3, 640, 640]]"
    ]


def test_a_missing_value_is_shown_by_an_example() -> None:
    assert mistakes(verify={}) == ['verify.input: is missing; for example: input = "dog.jpg"']
    assert mistakes(variant={}) == ['variant: is empty; for example: [variant.int8] with quantize = "INT8"']


def test_a_number_out_of_bounds_is_told_with_them() -> None:
    assert mistakes(input={"pad_value": 300}) == ["input.pad_value: 300 is too large: it must be at most 255"]
    assert mistakes(calibration={"input_num": -1}) == [
        "calibration.input_num: -1 is too small: it must be at least 0"
    ]
