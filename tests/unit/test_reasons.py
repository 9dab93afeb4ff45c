from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake import reasons
from cvimake.reasons import (
    Follows,
    InputChanged,
    NeverBuilt,
    OptionChanged,
    Reason,
    TargetMissing,
    ToolchainChanged,
    critical_path,
    definition_changes,
    from_json,
    identity_changes,
    judge,
    to_json,
)

EACH: list[Reason] = [
    reasons.NeverBuilt(),
    reasons.NoRecord(),
    reasons.Asked(),
    reasons.DefinitionChanged(),
    reasons.EngineChanged(),
    reasons.SourceMissing("a"),
    reasons.OptionChanged("option --a", "1", None),
    reasons.InputAdded("a"),
    reasons.InputRemoved("a"),
    reasons.InputChanged("a", "0" * 64, "1" * 64),
    reasons.InputMissing("a"),
    reasons.MemberAdded("a"),
    reasons.MemberRemoved("a"),
    reasons.ToolchainChanged("python", "3.10.14", "3.10.15"),
    reasons.TargetMissing("a"),
    reasons.TargetDamaged("a", "0" * 64, "1" * 64),
    reasons.Follows("a:b", certain=False),
]


@pytest.mark.parametrize("reason", EACH, ids=str)
def test_a_reason_goes_through_json(reason: Reason) -> None:
    assert from_json(to_json(reason)) == reason
    assert to_json(reason)["text"] == str(reason)


def test_every_kind_of_reason_is_known() -> None:
    assert {type(reason).__name__ for reason in EACH} == reasons._KINDS.keys()


def test_long_values_are_cut_where_they_are_shown() -> None:
    assert str(OptionChanged("list.txt", "a\n" * 100, "")) == f'list.txt was {"a " * 30}..., is ""'


# Definitions


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
def test_what_changed_in_a_definition(old: object, new: object, changed: OptionChanged) -> None:
    assert definition_changes(old, new) == (changed,)


def test_an_equal_definition_has_no_changes() -> None:
    assert definition_changes(definition("--a=1", "x"), definition("--a=1", "x")) == ()


def test_of_a_package_the_version_is_told_and_else_the_archive() -> None:
    old = {"packages": {"a": {"version": "1", "sha256": "x"}, "b": {"version": "1", "sha256": "x"}}}
    new = {"packages": {"a": {"version": "2", "sha256": "y"}, "b": {"version": "1", "sha256": "y"}}}
    assert identity_changes(old, new) == (
        ToolchainChanged("packages.a.version", "1", "2"),
        ToolchainChanged("packages.b.sha256", "x", "y"),
    )


# Graphs


def graph(**needs: tuple[str, ...]) -> dict[str, Any]:
    """Each task makes a file of its name in upper case."""
    return {
        name: SimpleNamespace(name=name, task_dep=list(needed), targets=[name.upper()], actions=["act"])
        for name, needed in needs.items()
    }


DIAMOND = graph(a=(), b=("a",), c=("a",), d=("b", "c"))


def judged(own: dict[str, tuple[Reason, ...]]) -> dict[str, tuple[bool, tuple[Reason, ...]]]:
    verdicts = judge(DIAMOND, ["d"], lambda task: own.get(task.name, ()))
    return {name: (verdict.certain, verdict.reasons) for name, verdict in verdicts.items()}


def test_what_follows_may_run() -> None:
    missing = TargetMissing("B")
    assert judged({"b": (missing,)}) == {
        "b": (True, (missing,)),
        "d": (False, (Follows("b", certain=True),)),
    }


def test_what_follows_from_what_may_run_may_run_too() -> None:
    verdicts = judged({"a": (NeverBuilt(),)})
    assert verdicts["d"] == (False, (Follows("b", certain=False), Follows("c", certain=False)))


def test_what_has_a_reason_of_its_own_will_run() -> None:
    verdicts = judged({"a": (NeverBuilt(),), "d": (NeverBuilt(),)})
    assert verdicts["d"][0] is True


def test_the_contents_of_a_file_that_is_made_anew_are_no_reason() -> None:
    changed = InputChanged("A", "0", "1")
    assert judged({"a": (NeverBuilt(),), "b": (changed,)})["b"] == (False, (Follows("a", certain=True),))
    assert judged({"b": (changed,)})["b"] == (True, (changed,))


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    return {
        f"t{number}": tuple(
            f"t{needed}" for needed in sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))
        )
        if number
        else ()
        for number in range(draw(st.integers(1, 9)))
    }


@given(graphs(), st.sets(st.integers(0, 8)))
def test_stale_is_what_has_a_reason_and_all_that_needs_it(
    needs: dict[str, tuple[str, ...]], changed: set[int]
) -> None:
    own = {f"t{number}" for number in changed}
    verdicts = judge(
        graph(**needs), reversed(needs), lambda task: (NeverBuilt(),) if task.name in own else ()
    )
    expected: set[str] = set()
    for name, needed in needs.items():
        if name in own or expected & set(needed):
            expected.add(name)
    assert verdicts.keys() == expected
    assert {name for name, verdict in verdicts.items() if verdict.certain} == own & needs.keys()
    order = list(verdicts)
    assert all(order.index(n) < order.index(name) for name in order for n in needs[name] if n in verdicts)


def test_the_critical_path_is_the_chain_that_takes_longest() -> None:
    seconds = {"a": 1.0, "b": 5.0, "c": 2.0}
    assert critical_path(DIAMOND, ["a", "b", "c", "d"], seconds) == (("a", "b", "d"), 6.0)
    assert critical_path(DIAMOND, ["c", "d"], seconds) == (("c", "d"), 2.0)
    assert critical_path(DIAMOND, [], seconds) == ((), 0.0)
