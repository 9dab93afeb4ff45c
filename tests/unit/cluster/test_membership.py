from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cvimake
from cvimake.builder.build import Build
from cvimake.cluster import membership, wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.connection import LostError
from cvimake.cluster.fleet import Seen
from cvimake.cluster.membership import Members
from cvimake.core import digest

ADDRESS = "tls://scheduler:1"


def welcome(python: str = "3.10") -> str:
    identity = {"python": python}
    return wire.Welcome(identity=identity, fingerprint=digest.of_value(identity)).model_dump_json()


class World:
    """A scheduler whose workers give the answers that a test sets, by the names of the workers."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.answers = root, dict[str, Any]()
        self.greetings: list[wire.Greeting] = []
        self.probes: list[bytes] = []
        self.is_gone = self.closed = False
        self.changed: Callable[[list[Seen]], object] = lambda _seen: None
        (root / "build").mkdir()
        monkeypatch.chdir(root)
        monkeypatch.setattr(membership, "Connection", lambda _address, _tell: self)

    def members(self, planned: str = "", **variables: str) -> Members:
        store = {"CVIMAKE_STORE": str(self.root / "store"), "XDG_CACHE_HOME": str(self.root)}
        return Members(Build(self.root, {**store, **variables}), ADDRESS, planned, lambda _told: None)

    def workers(self) -> list[Seen]:
        return [
            Seen(address=f"tls://{name}:1", start="1", name=name, cores=4, memory=9, takes_work=True)
            for name in self.answers
        ]

    def greet(self, addresses: list[str], request: str) -> dict[str, Any]:
        greeting = wire.read_request(request)
        assert isinstance(greeting, wire.Greeting)
        self.greetings.append(greeting)
        sha256 = greeting.probe.sha256
        self.probes.append((self.root / "store/blobs" / sha256[:2] / sha256).read_bytes())
        return {address: self.answers[address[6:-2]] for address in addresses}

    def watch(self, changed: Callable[[list[Seen]], object]) -> None:
        self.changed = changed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_workers_that_welcome_a_build_take_its_actions(world: World) -> None:
    world.answers = {"a": welcome(), "b": welcome()}
    members = world.members()
    assert members.fleet.names() == ["a", "b"]
    assert members.identity == {"python": "3.10"}
    (greeting,) = world.greetings
    assert greeting.version == cvimake.__version__
    # The probe was in the store while the workers were asked, and is there no longer.
    assert len(world.probes[0]) == greeting.probe.size
    assert not list((world.root / "store/blobs").glob("*/*"))


def test_a_worker_that_refuses_is_told_and_left_out(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.answers = {
        "a": welcome(),
        "b": wire.Refused(cause="it is too old").model_dump_json(),
        "c": "?",
        "d": OSError("no"),
        "e": wire.Broken(cause="its disk is full").model_dump_json(),
    }
    assert world.members().fleet.names() == ["a"]
    said = capfd.readouterr().err
    assert "warning: the worker b: it is too old" in said
    assert "warning: the worker c: its answer cannot be read" in said
    assert "warning: the worker e: its disk is full\n" in said
    assert "warning: the worker d: it has not answered: OSError: no" in said


def test_workers_must_have_the_toolchain_that_most_have(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.answers = {"a": welcome("3.9"), "b": welcome(), "c": welcome()}
    assert world.members().fleet.names() == ["b", "c"]
    assert "the worker a: its toolchain image has the fingerprint" in capfd.readouterr().err


def test_without_any_worker_that_takes_the_build_nothing_runs(world: World) -> None:
    world.answers = {"a": wire.Refused(cause="it is too old").model_dump_json()}
    with pytest.raises(ClusterError, match="no worker of tls://scheduler:1 can run this build") as raised:
        world.members()
    assert "a: it is too old" in raised.value.remedy
    assert world.closed


def test_without_any_worker_a_build_ends_after_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "WAITS_FOR_WORKERS", 0.0)
    monkeypatch.setattr(membership, "_LOOK_EVERY", 0.001)
    with pytest.raises(ClusterError, match="no worker has come to tls://scheduler:1"):
        world.members()


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({"CVIMAKE_STORE": "none"}, "needs a store, through which files travel"),
        ({"CVIMAKE_STORE_READ_ONLY": "1"}, "can only be read"),
    ],
)
def test_a_store_that_takes_no_files_is_told_first(
    world: World, variables: dict[str, str], cause: str
) -> None:
    with pytest.raises(ClusterError, match=cause):
        world.members(**variables)
    assert world.greetings == []


def test_workers_that_come_later_are_greeted_once(world: World) -> None:
    world.answers = {"a": welcome()}
    members = world.members()
    world.answers["b"] = welcome()
    for _ in range(2):
        world.changed(world.workers())
    assert members.fleet.names() == ["a", "b"]
    assert len(world.greetings) == 2
    # They must have the toolchain of those that were there before.
    assert world.greetings[1].fingerprint == digest.of_value({"python": "3.10"})


def test_a_lost_worker_and_a_lost_scheduler_are_noticed(world: World) -> None:
    world.answers = {"a": welcome()}
    members = world.members()
    (worker,) = world.workers()
    members.check(worker)
    world.changed([])
    members.check()
    with pytest.raises(LostError, match="the worker has gone"):
        members.check(worker)
    members.fleet.exclude(["a"])
    with pytest.raises(LostError, match="it is taken to be damaged"):
        members.check(worker)
    world.is_gone = True
    with pytest.raises(ClusterError, match="the scheduler at tls://scheduler:1 has gone"):
        members.check()
