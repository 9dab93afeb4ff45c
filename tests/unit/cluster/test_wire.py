from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_actions import ACTION

from cvimake.builder.store import Blob, Entry
from cvimake.cluster import wire
from cvimake.core import digest
from cvimake.core.key import action_key


def sha256(path: Path) -> str:
    return digest.of_text(str(path))


def sent() -> wire.SentAction:
    return wire.SentAction.of(ACTION, lambda path: Blob(sha256=sha256(path), size=3))


def wish() -> wire.RunWish:
    return wire.RunWish(
        version="1",
        image="toolchain",
        fingerprint="f",
        action=sent(),
        cores=2,
        memory=5,
        topic="t",
        number="n",
        keeps=True,
    )


def test_an_action_arrives_as_it_was_sent() -> None:
    request = wire.read_request(wish().model_dump_json())
    assert isinstance(request, wire.RunWish)
    arrived = request.action.action(lambda blob: Path(blob.sha256), Path("results"))
    assert arrived.definition() == ACTION.definition()
    assert arrived.limits == ACTION.limits
    assert [file.kind for file in arrived.outputs] == [file.kind for file in ACTION.outputs]
    # The key is made of the contents, wherever they lie.
    assert action_key(arrived, "f", str) == action_key(ACTION, "f", sha256)


def test_the_inputs_of_an_action_are_named_once() -> None:
    assert {blob.sha256 for blob in sent().blobs()} == {sha256(path) for path in ACTION.paths()}


@pytest.mark.parametrize("name", ["../1.png", "/etc/passwd", "a//b", "a/../b", ".", "", "a\0b"])
def test_a_file_outside_of_its_folder_is_refused(name: str) -> None:
    told = json.loads(wish().model_dump_json())
    told["action"]["folders"]["/dataset"] = {name: {"sha256": "a" * 64, "size": 1}}
    with pytest.raises(ValueError, match="no path in a folder"):
        wire.read_request(json.dumps(told))


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "../x"), ("name", "a:b/c"), ("inputs", {"in": {"sha256": "../x", "size": 1}}), ("other", 1)],
)
def test_what_no_build_sends_is_refused(key: str, value: object) -> None:
    told = json.loads(wish().model_dump_json())
    told["action"][key] = value
    with pytest.raises(ValueError, match="validation error"):
        wire.read_request(json.dumps(told))


@pytest.mark.parametrize(("inputs", "outputs"), [("a/b", "TEXT"), ("in", "NOTHING")])
def test_an_action_that_cannot_be_is_refused(inputs: str, outputs: str) -> None:
    told = json.loads(sent().model_dump_json())
    told["inputs"] = {inputs: {"sha256": "a" * 64, "size": 1}}
    told["outputs"] = {"out": outputs}
    action = wire.SentAction.model_validate_json(json.dumps(told))
    with pytest.raises(ValueError, match=r"plain file name|unknown kinds"):
        action.action(lambda blob: Path(blob.sha256), Path("results"))


@pytest.mark.parametrize(
    "reply",
    [
        wire.Welcome(identity={"a": {"b": 1}}, fingerprint="f"),
        wire.Identity(identity={}),
        wire.Done(key="k", entry=Entry(action="a:b", seconds=1.0, outputs={}), log=None),
        wire.ToolFailed(id="i", cause="c", remedy="", link="", excerpt=("a", "b"), log=None),
        wire.Refused(cause="c"),
        wire.Missing(blob=Blob(sha256="a" * 64, size=1)),
        wire.Broken(cause="c"),
    ],
)
def test_each_reply_arrives_as_it_was_sent(reply: wire.Done) -> None:
    assert wire.read_reply(reply.model_dump_json()) == reply


@pytest.mark.parametrize("text", ["", "1", "{}", '{"kind": "other"}', 7])
def test_what_is_no_reply_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.read_reply(text)
