from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stores
from fake_engine import ACTION, MLIR, NPZ

from cvimake.builder.build import Build
from cvimake.builder.executor import Job
from cvimake.builder.store import Blob, Entry, Store
from cvimake.builder.store.exchange import Exchange, UnreachableError
from cvimake.builder.store.folder import FolderPlace
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.executor import ClusterExecutor
from cvimake.cluster.fleet import Fleet, Seen
from cvimake.core import digest
from cvimake.core.action import Folder, Shared
from cvimake.core.capacity import Share
from cvimake.core.errors import CvimakeError, ToolFailedError
from cvimake.core.key import action_key
from cvimake.core.paths import TOOLCHAIN

IDENTITY = '{"python": "3.10"}'
FINGERPRINT = digest.of_value(json.loads(IDENTITY))
NETWORK = b"\x08network"
KEY = action_key(ACTION, FINGERPRINT, lambda _path: hashlib.sha256(NETWORK).hexdigest())
OUTPUTS = {"net.mlir": MLIR, "net.npz": NPZ}
JOB = Job(action=ACTION, record=TOOLCHAIN, toolchain=IDENTITY, share=Share(), urgency=1.0)


def done(**others: Any) -> wire.Done:  # noqa: ANN401 - any value of a reply
    blobs = {name: stores.blob_of(content) for name, content in OUTPUTS.items()}
    entry = Entry(action=ACTION.name, seconds=7.0, cores=3, outputs=blobs)
    return wire.Done(**{"key": KEY, "entry": entry, "log": None, **others})


class Site:
    """A project, its store, and workers that give the answer which a test sets."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        (root / "build").mkdir()
        self.root = root
        self.build = Build(root, {"CVIMAKE_STORE": str(root / "store"), "XDG_CACHE_HOME": str(root)})
        self.store = Store(FolderPlace(root / "store"), "the store")
        self.exchange = Exchange(self.store)
        self.fleet = Fleet()
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = done()
        self.executor = ClusterExecutor(self.build, "tls://scheduler:1", lambda: None)
        members = SimpleNamespace(
            store=self.store,
            exchange=self.exchange,
            fleet=self.fleet,
            connection=SimpleNamespace(topic="t"),
        )
        monkeypatch.setattr(self.executor, "_connected", lambda _planned: members)
        monkeypatch.setattr(self.executor._performer, "attempts", self._attempts)
        for path in ACTION.paths():
            path.parent.mkdir(parents=True)
            path.write_bytes(NETWORK)

    def _attempts(self, goes_on: Any, **values: Any) -> Any:  # noqa: ANN401 - as the executor has it
        goes_on()
        self.asked.append(values)
        return SimpleNamespace(run=lambda: self.answer, worker="a")

    def put(self, content: bytes) -> Blob:
        return stores.put(self.exchange, self.root, content)

    def keep_result(self) -> None:
        for content in OUTPUTS.values():
            self.put(content)
        self.exchange.keep(KEY, done().entry)

    def log(self) -> str:
        return (self.root / "build/logs/net/transform.log").read_text(encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_the_outputs_of_a_worker_are_put_in_their_places(site: Site) -> None:
    site.keep_result()
    site.answer = done(log=site.put(b"# net:transform\nW=/there/of/worker\n\ndone\n"))
    ran = site.executor.run(JOB)
    assert {path: Path(path).read_bytes() for path in ran.outputs} == {
        "build/net/net.mlir": MLIR,
        "build/net/net.npz": NPZ,
    }
    # What the worker has measured, and not the time that the build has waited.
    assert (ran.seconds, ran.cores) == (7.0, 3)
    assert site.log().splitlines() == [
        "# net:transform ran on another machine; the next line runs it on this one.",
        "CVIMAKE_CLUSTER=none ./doit --always-execute --single net:transform",
        "",
        "done",
    ]


def test_a_worker_is_sent_contents_and_no_paths_of_the_project(site: Site) -> None:
    site.keep_result()
    site.executor.run(JOB)
    (asked,) = site.asked
    sent = asked["wish"](Share(cores=2, memory=5), "n").model_dump_json()
    assert wire.read_request(sent).version
    assert json.loads(sent)["fingerprint"] == FINGERPRINT
    assert str(site.root) not in sent
    assert [str(path) for path, _ in asked["inputs"].values()] == ["models/net/best.onnx"]
    assert (asked["key"], asked["urgency"]) == (KEY, 1.0)


def test_a_stage_that_is_compared_names_both_workers_and_its_result_is_noted_by_the_build(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = ClusterExecutor(site.build, "tls://scheduler:1", lambda: None, compared=1.0)
    members = SimpleNamespace(
        store=site.store, exchange=site.exchange, fleet=site.fleet, connection=SimpleNamespace(topic="t")
    )
    monkeypatch.setattr(executor, "_connected", lambda _planned: members)

    def attempts(_goes_on: Any, **values: Any) -> Any:  # noqa: ANN401 - as the executor has it
        site.asked.append(values)
        worker = "b" if values["apart"] else "a"
        seen = Seen(address=worker, start="1", name=worker, cores=1, memory=1, takes_work=True)
        values["begins"](worker, seen)
        return SimpleNamespace(run=lambda: site.answer, worker=worker)

    monkeypatch.setattr(executor._performer, "attempts", attempts)
    for content in OUTPUTS.values():
        site.put(content)
    site.build.activities.begin(ACTION.name)
    executor.run(JOB)
    assert site.build.activities.where(ACTION.name) == "a, compared with b"
    assert [asked["apart"] for asked in site.asked] == [(), ("a",)]
    assert not any(asked["key"] for asked in site.asked)
    assert not site.asked[0]["wish"](Share(), "n").keeps
    assert site.store.find(KEY) == done().entry


def test_a_lost_log_is_no_lost_result(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.keep_result()
    site.answer = done(log=Blob(sha256="a" * 64, size=3))
    assert site.executor.run(JOB).outputs
    assert "its log cannot be taken from the store" in capfd.readouterr().err
    assert "its log is lost" in site.log()


def test_a_tool_that_failed_on_a_worker_is_told_as_one_that_failed_here(site: Site) -> None:
    site.answer = wire.ToolFailed(
        id="disk-full", cause="net:transform: cause", remedy="remedy", link="", excerpt=("last",),
        log=site.put(b"one\ntwo\nlast\n"),
    )  # fmt: skip
    with pytest.raises(ToolFailedError, match="cause") as raised:
        site.executor.run(JOB)
    assert (raised.value.id, raised.value.remedy, raised.value.excerpt) == ("disk-full", "remedy", ("last",))
    assert raised.value.log.read_text(encoding="utf-8").endswith("last\n")


def test_outputs_that_the_store_has_lost_are_an_error_and_no_file(site: Site) -> None:
    site.keep_result()
    site.exchange.remove(stores.blob_of(NPZ))
    with pytest.raises(UnreachableError, match="its outputs cannot be taken"):
        site.executor.run(JOB)
    assert not Path("build/net/net.mlir").exists()


@pytest.mark.parametrize("answer", [done(key="b" * 64), wire.Identity(identity={})])
def test_an_answer_to_another_question_is_an_error(site: Site, answer: object) -> None:
    site.answer = answer
    with pytest.raises(ClusterError, match="an answer to another question"):
        site.executor.run(JOB)


def test_a_missing_input_is_told_before_a_worker_is_asked(site: Site) -> None:
    ACTION.paths()[0].unlink()
    with pytest.raises(CvimakeError, match=r"its input models/net/best\.onnx is missing"):
        site.executor.run(JOB)
    assert site.asked == []


def test_an_interrupted_build_gives_up_its_transfers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.executor, "_members", SimpleNamespace(exchange=site.exchange))
    site.executor.cancel()
    with pytest.raises(UnreachableError, match="given up"):
        site.put(b"content")


class SharedOut:
    """A stage whose work is shared out to two workers."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = Folder(
            target="/images", files={"0.jpg": Path("models/net/0"), "1.jpg": Path("models/net/1")}
        )
        shared = Shared(folder="/images", files=(("0.jpg",), ("1.jpg",)))
        action = dataclasses.replace(ACTION, parts="/parts", folders=(folder,), shared=shared)
        for path in folder.files.values():
            path.write_bytes(NETWORK)
        self.site, self.job = site, dataclasses.replace(JOB, action=action)
        self.wishes: list[wire.RunWish] = []
        site.fleet.update(
            Seen(address=name, start="1", name=name, cores=1, memory=1, takes_work=True) for name in "ab"
        )
        self.guard = threading.Lock()
        self.fails = ""
        monkeypatch.setattr(site.executor._performer, "attempts", self._attempts)

    def _attempts(self, goes_on: Any, **values: Any) -> Any:  # noqa: ANN401 - as the executor has it
        goes_on()
        sent = values["wish"](Share(), "n")
        name = "a" if sent.action.argv[-1] == "--only=0:1" else "b"
        values["begins"](name, SimpleNamespace(name=name))
        with self.guard:
            self.wishes.append(sent)
            blobs = {output: self.site.put(output.encode()) for output in sent.action.outputs}
            entry = Entry(action=ACTION.name, seconds=3.0, cores=2, outputs=blobs)
            if self.fails == name:
                reply: Any = wire.ToolFailed(
                    id="x", cause="it failed", remedy="", link="", excerpt=(), log=None
                )
            else:
                reply = wire.Done(key=values["key"], entry=entry, log=None)
                self.site.exchange.keep(values["key"], entry)
        return SimpleNamespace(run=lambda: reply, worker=name)

    def run(self) -> Any:  # noqa: ANN401 - what has run
        return self.site.executor.run(self.job)

    @property
    def lasts(self) -> list[str]:
        """The last argument of each action that was sent."""
        return sorted(sent.action.argv[-1] for sent in self.wishes)


def test_the_shards_of_a_stage_run_first_and_their_parts_are_sent_with_the_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = SharedOut(site, monkeypatch)
    site.build.activities.begin(ACTION.name)
    assert set(stage.run().outputs) == {"build/net/net.mlir", "build/net/net.npz"}
    assert stage.lasts == [ACTION.argv[-1], "--only=0:1", "--only=1:2"]
    whole = stage.wishes[-1]
    assert whole.action.argv == ACTION.argv
    assert whole.parts == {"0": stores.blob_of(b"0.json"), "1": stores.blob_of(b"1.json")}
    assert whole.spent == 12.0
    assert site.build.activities.where(ACTION.name) == "a and b"


def test_shards_that_an_earlier_build_has_left_in_the_store_do_not_run_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = SharedOut(site, monkeypatch)
    stage.fails = "b"
    with pytest.raises(ToolFailedError, match="it failed"):
        stage.run()
    assert not Path("build/net/net.mlir").exists()
    stage.wishes.clear()
    stage.fails = ""
    # The first one may have been given up.
    stage.run()
    stage.wishes.clear()
    stage.run()
    assert stage.lasts == [ACTION.argv[-1]]
    # A file that somebody has removed is made again.
    site.exchange.remove(stores.blob_of(b"1.json"))
    stage.wishes.clear()
    stage.run()
    assert stage.lasts == [ACTION.argv[-1], "--only=1:2"]


def test_the_progress_of_shards_is_that_of_all_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    activity = site.build.activities.begin(ACTION.name)
    performer = site.executor._performer
    performer.share_out(ACTION.name, 2)
    for place in range(2):
        monkeypatch.setitem(performer._running, str(place), (ACTION.name, place))
    performer.tell({"number": "0", "doing": "images", "percent": 60})
    assert activity.percent == 30
    performer.tell({"number": "1", "doing": "images", "percent": 20})
    assert (activity.doing, activity.percent) == ("images", 40)
    performer.tell({"number": "other", "doing": "images", "percent": 100})
    performer.tell({"number": "1", "doing": 7, "percent": 100})
    assert activity.percent == 40
