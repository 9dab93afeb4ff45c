from __future__ import annotations

from typing import Any

import pytest

from cvimake.builder.differences import definition_changes, identity_changes
from cvimake.builder.reasons import OptionChanged, ToolchainChanged


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


def test_an_equal_definition_has_no_changes() -> None:
    assert definition_changes(definition("--a=1", "x"), definition("--a=1", "x")) == ()


def test_a_changed_package_shows_its_version_or_its_archive() -> None:
    old = {"packages": {"a": {"version": "1", "sha256": "x"}, "b": {"version": "1", "sha256": "x"}}}
    new = {"packages": {"a": {"version": "2", "sha256": "y"}, "b": {"version": "1", "sha256": "y"}}}
    assert identity_changes(old, new) == (
        ToolchainChanged("packages.a.version", "1", "2"),
        ToolchainChanged("packages.b.sha256", "x", "y"),
    )
