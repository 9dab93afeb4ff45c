from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stores
from fake_engine import ACTION, MLIR, NPZ, FakeEngine, write_both

import cvimake
from cvimake.builder.store import Blob, Store, action_file, blob_file
from cvimake.builder.store.exchange import Exchange
from cvimake.builder.store.folder import FolderPlace
from cvimake.cluster import wire, workplace
from cvimake.cluster.workplace import Workplace
from cvimake.core import digest
from cvimake.core.action import Ending
from cvimake.core.key import action_key
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain.container.evaluation.parts import Parts

IDENTITY = {"python": "3.10"}
FINGERPRINT = digest.of_value(IDENTITY)
NETWORK = b"\x08network"
INPUT = stores.blob_of(NETWORK)


class Site:
    """A worker's machine with an engine whose commands are functions, and the store that it shares."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.engine = FakeEngine(write_both, b"calibrating: 40%|####")
        self.store = Store(FolderPlace(root / "store"), "the store")
        self.told: list[tuple[str, str]] = []
        site = self

        class FakeRuntimes:
            def __init__(self, folder: Path, _environment: object) -> None:
                self._runtime = SimpleNamespace(
                    image=SimpleNamespace(fingerprint=FINGERPRINT, identity=IDENTITY),
                    sandbox=Sandbox(root=folder, engine=site.engine, image="image"),
                    capacity=site.engine.capacity,
                )

            def plain(self) -> SimpleNamespace:
                return self._runtime

            def recorded_in(self, _record: Path) -> SimpleNamespace:
                return self._runtime

        monkeypatch.setattr(workplace, "Runtimes", FakeRuntimes)
        self.work = Workplace(root / "worker", {}, "one", self.store, 1000)
        (root / "network").write_bytes(NETWORK)
        Exchange(self.store).put(root / "network", INPUT)

    def ask(self, request: Any, is_wanted: Callable[[], bool] = lambda: True) -> Any:  # noqa: ANN401 - any message
        text = request if isinstance(request, str) else request.model_dump_json()
        return wire.read_reply(self.work.answer(text, is_wanted, lambda *told: self.told.append(told)))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def wish(**others: Any) -> wire.RunWish:  # noqa: ANN401 - any value of a request
    values = {
        "version": cvimake.__version__, "image": "toolchain", "fingerprint": FINGERPRINT, "cores": 1,
        "action": wire.SentAction.of(ACTION, lambda _path: INPUT), "memory": 5, "topic": "t", "number": "n",
        "keeps": True,
    }  # fmt: skip
    return wire.RunWish(**{**values, **others})


def greeting(**others: Any) -> wire.Greeting:  # noqa: ANN401 - any value of a request
    values = {
        "version": cvimake.__version__, "recipe": Recipe.from_environment({}).digest(),
        "fingerprint": FINGERPRINT, "probe": INPUT,
    }  # fmt: skip
    return wire.Greeting(**{**values, **others})


def test_the_result_of_an_action_is_in_the_store_under_its_key(site: Site, tmp_path: Path) -> None:
    reply = site.ask(wish())
    key = action_key(ACTION, FINGERPRINT, lambda _path: INPUT.sha256)
    assert reply.key == key
    entry = site.store.find(key)
    assert entry
    assert reply.entry == entry
    targets = {name: tmp_path / name for name in entry.outputs}
    assert site.store.restore(key, entry, targets, lambda: None)
    assert (tmp_path / "net.mlir").read_bytes() == MLIR
    assert (tmp_path / "net.npz").read_bytes() == NPZ
    Exchange(site.store).take(reply.log, tmp_path / "log")
    assert b"calibrating" in (tmp_path / "log").read_bytes()


def test_a_result_that_the_build_is_to_compare_is_not_noted_in_the_store(site: Site, tmp_path: Path) -> None:
    reply = site.ask(wish(keeps=False))
    assert site.store.find(reply.key) is None
    # Its files are there all the same.
    Exchange(site.store).take(reply.entry.outputs["net.mlir"], tmp_path / "net.mlir")
    assert (tmp_path / "net.mlir").read_bytes() == MLIR


def test_parts_that_other_workers_have_done_are_brought_to_the_tool(site: Site, tmp_path: Path) -> None:
    action = dataclasses.replace(ACTION, parts="/parts")
    seen: dict[str, Any] = {}

    def act(files: Path) -> None:
        write_both(files)
        earlier = Parts(site.engine.mount("/parts").source)
        seen.update({str(number): earlier.read(number, lambda value: value) for number in range(3)})

    site.engine.act = act
    done = {"0": stores.put(Exchange(site.store), tmp_path, b'["a"]')}
    done["2"] = stores.put(Exchange(site.store), tmp_path, b"[1.5]")
    sent = wire.SentAction.of(action, lambda _path: INPUT)
    reply = site.ask(wish(action=sent, parts=done, spent=600.0, cores=2))
    assert seen == {"0": ["a"], "1": None, "2": [1.5]}
    # They change neither the key nor what is left on the worker, but count for the time.
    assert reply.key == action_key(ACTION, FINGERPRINT, lambda _path: INPUT.sha256)
    assert 300 <= reply.entry.seconds < 400
    assert list((site.root / "worker" / "actions").iterdir()) == []


def test_a_part_that_is_no_text_is_told(site: Site, tmp_path: Path) -> None:
    part = stores.put(Exchange(site.store), tmp_path, b"\xff")
    sent = wire.SentAction.of(dataclasses.replace(ACTION, parts="/parts"), lambda _path: INPUT)
    assert isinstance(site.ask(wish(action=sent, parts={"0": part})), wire.Broken)
    assert site.engine.commands == []


def test_nothing_of_an_action_is_left_on_the_worker_but_its_inputs(site: Site) -> None:
    site.ask(wish())
    assert list((site.root / "worker" / "actions").iterdir()) == []
    assert [path.name for path in (site.root / "worker" / "files").iterdir()] == [INPUT.sha256]
    assert site.work.running == 0


def test_a_build_is_told_how_far_an_action_is(site: Site) -> None:
    site.ask(wish())
    ((topic, text),) = site.told
    assert topic == "t"
    assert json.loads(text) == {"number": "n", "doing": "calibrating", "percent": 40}


def test_an_action_that_nobody_waits_for_is_ended(site: Site) -> None:
    cancelled = threading.Event()
    site.engine.cancel = cancelled.set  # type: ignore[method-assign]

    def act(_files: Path) -> Ending:
        assert cancelled.wait(60)
        return Ending(exit_code=137)

    site.engine.act = act
    site.ask(wish(), is_wanted=lambda: False)
    assert cancelled.is_set()


def test_a_worker_that_ends_ends_its_actions(site: Site) -> None:
    cancelled = threading.Event()
    site.engine.cancel = cancelled.set  # type: ignore[method-assign]

    def act(_files: Path) -> Ending:
        site.work.end()
        assert cancelled.wait(60)
        return Ending(exit_code=137)

    site.engine.act = act
    site.ask(wish())
    assert cancelled.is_set()


def test_a_tool_that_fails_is_told_with_its_log(site: Site, tmp_path: Path) -> None:
    site.engine.act = lambda _files: Ending(exit_code=3)
    site.engine.output = b"cannot do that\n"
    reply = site.ask(wish())
    assert isinstance(reply, wire.ToolFailed)
    assert reply.id == "tool-failed"
    assert reply.cause == "net:transform: its tool ended with exit code 3"
    assert reply.excerpt == ("cannot do that",)
    assert reply.log
    Exchange(site.store).take(reply.log, tmp_path / "log")
    assert not list((site.root / "store" / "actions").glob("*"))


def test_a_tool_that_fails_on_a_full_disk_may_run_elsewhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.engine.act = lambda _files: Ending(exit_code=3)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
    reply = site.ask(wish())
    assert isinstance(reply, wire.Broken)
    assert "is full" in reply.cause


def test_an_input_that_the_store_has_lost_is_named(site: Site) -> None:
    (site.root / "store" / blob_file(INPUT.sha256)).unlink()
    assert site.ask(wish()) == wire.Missing(blob=INPUT)


def test_a_damaged_copy_of_an_input_is_no_result(site: Site) -> None:
    site.ask(wish())
    key = action_key(ACTION, FINGERPRINT, lambda _path: INPUT.sha256)
    (site.root / "store" / action_file(key)).unlink()
    (site.root / "worker" / "files" / INPUT.sha256).write_bytes(NETWORK[::-1])
    reply = site.ask(wish())
    assert isinstance(reply, wire.Broken)
    assert "copy of an input was damaged" in reply.cause
    assert site.store.find(key) is None
    assert isinstance(site.ask(wish()), wire.Done)


def test_a_worker_welcomes_a_build_that_has_its_toolchain(site: Site) -> None:
    assert site.ask(greeting()) == wire.Welcome(identity=IDENTITY, fingerprint=FINGERPRINT)
    assert site.ask(greeting(fingerprint="")) == wire.Welcome(identity=IDENTITY, fingerprint=FINGERPRINT)
    assert site.ask(wire.IdentityWish(version=cvimake.__version__, image="toolchain")) == wire.Identity(
        identity=IDENTITY
    )


@pytest.mark.parametrize(
    ("others", "cause"),
    [
        ({"version": "0.0.1"}, "and the build has 0.0.1: install the same version on both"),
        ({"recipe": "other"}, "is made from another recipe"),
        ({"fingerprint": "abc"}, "the build was planned with abc"),
        ({"probe": Blob(sha256="a" * 64, size=1)}, "does not find in its store, the store, what the build"),
    ],
)
def test_a_worker_refuses_a_build_and_says_why(site: Site, others: dict[str, Any], cause: str) -> None:
    reply = site.ask(greeting(**others))
    assert isinstance(reply, wire.Refused)
    assert cause in reply.cause


@pytest.mark.parametrize(
    ("others", "cause"),
    [
        ({"version": "0.0.1"}, "and the build has 0.0.1"),
        ({"fingerprint": "0123456789abcdef"}, "the build was planned with 0123456789ab:"),
    ],
)
def test_a_worker_refuses_an_action_and_says_why(site: Site, others: dict[str, Any], cause: str) -> None:
    reply = site.ask(wish(**others))
    assert isinstance(reply, wire.Refused)
    assert cause in reply.cause
    assert site.engine.commands == []


@pytest.mark.parametrize("text", ["", "{", "7", '{"kind": "run", "version": "VERSION"}'])
def test_what_is_no_request_is_no_accident(site: Site, text: str) -> None:
    reply = site.ask(text.replace("VERSION", cvimake.__version__))
    assert isinstance(reply, wire.Broken | wire.Refused)


def test_what_a_killed_worker_left_is_removed(site: Site, tmp_path: Path) -> None:
    left = tmp_path / "worker" / "actions" / "left"
    left.mkdir()
    Workplace(tmp_path / "worker", {}, "one", site.store, 1000)
    assert not left.exists()
