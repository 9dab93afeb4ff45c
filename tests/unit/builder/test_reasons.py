from __future__ import annotations

import pytest

from cvimake.builder import hindrances, reasons
from cvimake.builder.reasons import OptionChanged, Reason, from_json, to_json

EACH: list[Reason] = [
    reasons.NeverBuilt(),
    reasons.NoRecord(),
    reasons.LastFailed(
        id="tolerance-missed", cause="less similar than declared", remedy="Lower it.", log="a.log", ended=1.5
    ),
    reasons.Asked(),
    reasons.DefinitionChanged(),
    reasons.EngineChanged(),
    hindrances.SourceMissing("a", "net", "yolo export"),
    hindrances.NotFetched("cats", 3, None),
    hindrances.ChoiceOpen("models/a/model.toml:1: a: fill it in"),
    hindrances.DeclarationWrong("models/a/model.toml:1: a: is missing"),
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
