from __future__ import annotations

import json
from typing import Any

import pytest

from cvimake.builder.differences import definition_changes, identity_changes
from cvimake.builder.reasons import OptionChanged, ToolchainChanged
from cvimake.core import digest


def definition(*argv: str, **others: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    rest = others.pop("concluded_with", None)
    return [{"argv": ["tool", *argv], "environment": {}, "texts": {}, "folders": {}, **others}, rest]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (definition("--a=1"), definition("--a=2"), OptionChanged("option --a", "1", "2")),
        (definition("--a=1=x"), definition("--a=2=x"), OptionChanged("option --a", "1=x", "2=x")),
        (definition(), definition("--a=1"), OptionChanged("option --a", None, "1")),
        (definition("--flag"), definition(), OptionChanged("option --flag", "given", None)),
        (definition("x", "y"), definition("w", "x", "y"), OptionChanged("argument", None, "w")),
        (
            definition(environment={"TZ": "UTC"}),
            definition(environment={"TZ": "CET"}),
            OptionChanged("environment TZ", "UTC", "CET"),
        ),
        (
            definition(texts={"l.txt": "a"}),
            definition(texts={"l.txt": "b"}),
            OptionChanged("l.txt", "a", "b"),
        ),
        (
            definition(concluded_with={"size": 1, "ion": None}),
            definition(concluded_with={"size": 2, "ion": None}),
            OptionChanged("size", "1", "2"),
        ),
        (
            {"files": {"Dockerfile": "aa"}},
            {"files": {"Dockerfile": "bb"}},
            OptionChanged("files.Dockerfile", "aa", "bb"),
        ),
    ],
)
def test_differences_of_two_definitions(old: object, new: object, changed: OptionChanged) -> None:
    assert definition_changes(old, new) == (changed,)


LIST = list(range(100))


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}, [OptionChanged("o.json a.b", "1", "3")]),
        ({"a": 1}, {"a": 1, "b": "x"}, [OptionChanged("o.json b", None, "x")]),
        (
            {"a": LIST},
            {"a": LIST[1:]},
            [
                OptionChanged(
                    "o.json a",
                    f"100 entries with sha256 {digest.of_text(json.dumps(LIST))[:12]}",
                    f"99 entries with sha256 {digest.of_text(json.dumps(LIST[1:]))[:12]}",
                )
            ],
        ),
        ({"a": [1]}, {"a": [2]}, [OptionChanged("o.json a", "[1]", "[2]")]),
        (None, {"a": [2]}, [OptionChanged("o.json a", None, "[2]")]),
    ],
)
def test_of_a_generated_json_file_the_changed_values_are_told(
    old: object, new: object, changed: list[OptionChanged]
) -> None:
    texts = [{} if value is None else {"o.json": json.dumps(value)} for value in (old, new)]
    assert list(definition_changes(*(definition(texts=text) for text in texts))) == changed


def test_a_json_file_with_the_same_values_in_another_form_is_another_file() -> None:
    old, new = '{"a": 1}', '{"a":1}'
    assert definition_changes(definition(texts={"o": old}), definition(texts={"o": new})) == (
        OptionChanged("o", old, new),
    )


def test_an_equal_definition_has_no_changes() -> None:
    assert definition_changes(definition("--a=1", "x"), definition("--a=1", "x")) == ()


def test_a_changed_package_shows_its_version_or_its_archive() -> None:
    old = {"packages": {"a": {"version": "1", "sha256": "x"}, "b": {"version": "1", "sha256": "x"}}}
    new = {"packages": {"a": {"version": "2", "sha256": "y"}, "b": {"version": "1", "sha256": "y"}}}
    assert identity_changes(old, new) == (
        ToolchainChanged("packages.a.version", "1", "2"),
        ToolchainChanged("packages.b.sha256", "x", "y"),
    )
