from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from small_actions import ACTION

from cvimake.core.action import Action, FileKind, Folder, Input, Limits, Output, Text
from cvimake.core.key import action_key

HELD = {"models/net/in": "aa", "data/1.png": "bb", "elsewhere/in": "aa", "elsewhere/1.png": "bb"}


def key(action: Action = ACTION, fingerprint: str = "f", changed: str = "") -> str:
    return action_key(action, fingerprint, lambda path: "cc" if str(path) == changed else HELD[str(path)])


def test_a_key_is_the_same_for_the_same() -> None:
    assert key() == key()
    assert len(key()) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"argv": ("tool", "--slow")},
        {"environment": {"TZ": "CET"}},
        {"inputs": (Input(name="other", path=Path("models/net/in")),)},
        {"outputs": (Output(name="other", path=Path("build/net/out"), kind=FileKind.TEXT),)},
        {"texts": (Text(name="list", text="b\n"),)},
        {"folders": (Folder(target="/dataset", files={"2.png": Path("data/1.png")}),)},
        {"folders": (Folder(target="/tune", files={"1.png": Path("data/1.png")}),)},
    ],
)
def test_inputs_that_can_change_the_bytes_change_the_key(change: dict[str, object]) -> None:
    assert key(dataclasses.replace(ACTION, **change)) != key()  # type: ignore[arg-type]


def test_the_toolchain_and_every_files_contents_change_the_key() -> None:
    keys = {key(), key(fingerprint="g"), key(changed="models/net/in"), key(changed="data/1.png")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"limits": Limits(memory=1, seconds=1.0)},
        {"name": "other:mlir"},
        {"inputs": (Input(name="in", path=Path("elsewhere/in")),)},
        {"outputs": (Output(name="out", path=Path("elsewhere/out"), kind=FileKind.TEXT),)},
        {"folders": (Folder(target="/dataset", files={"1.png": Path("elsewhere/1.png")}),)},
    ],
)
def test_facts_that_cannot_change_the_bytes_leave_the_key(change: dict[str, object]) -> None:
    assert key(dataclasses.replace(ACTION, **change)) == key()  # type: ignore[arg-type]
