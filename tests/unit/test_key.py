from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from cvimake import digest
from cvimake.action import Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.key import action_key

ACTION = Action(
    name="m:x",
    argv=("tool", "in"),
    environment={"A": "1"},
    inputs=(Input(name="in", path=Path("build/in")),),
    outputs=(Output(name="out", path=Path("build/out"), kind=FileKind.TEXT),),
    texts=(Text(name="list", text="a"),),
    folders=(Folder(target="/dataset", files={"a.png": Path("d/a.png")}),),
)


def sha256(path: Path) -> str:
    return digest.of_text(path.name)


def test_the_key_is_the_digest_of_all_that_decides() -> None:
    expected = {
        "definition": ACTION.definition(),
        "toolchain": "fingerprint",
        "inputs": {"in": digest.of_text("in"), "/dataset/a.png": digest.of_text("a.png")},
    }
    assert action_key(ACTION, "fingerprint", sha256) == digest.of_value(expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda action: dataclasses.replace(action, argv=("tool",)),
        lambda action: dataclasses.replace(action, environment={}),
        lambda action: dataclasses.replace(action, texts=()),
        lambda action: dataclasses.replace(action, folders=()),
        lambda action: dataclasses.replace(action, inputs=(Input(name="in", path=Path("other")),)),
    ],
)
def test_what_can_change_the_bytes_changes_the_key(change: Callable[[Action], Action]) -> None:
    assert action_key(change(ACTION), "fingerprint", sha256) != action_key(ACTION, "fingerprint", sha256)
    assert action_key(ACTION, "another", sha256) != action_key(ACTION, "fingerprint", sha256)


def test_names_places_and_limits_do_not() -> None:
    moved = dataclasses.replace(
        ACTION,
        name="n:y",
        inputs=(Input(name="in", path=Path("/elsewhere/in")),),
        limits=Limits(seconds=1.0),
    )
    assert action_key(moved, "fingerprint", sha256) == action_key(ACTION, "fingerprint", sha256)
