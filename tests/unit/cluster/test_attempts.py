from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cvimake.builder.store import Blob, Entry
from cvimake.builder.store.exchange import UnreachableError
from cvimake.cluster import attempts, wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.attempts import Attempts
from cvimake.cluster.connection import LostError
from cvimake.cluster.fleet import Fleet, NobodyElseError, Seen
from cvimake.core.capacity import Share

BLOB = Blob(sha256="a" * 64, size=3)
ENTRY = Entry(action="net:mlir", seconds=1.0, outputs={"net.mlir": BLOB})
DONE = wire.Done(key="k", entry=ENTRY, log=None)


def seen(name: str) -> Seen:
    return Seen(address=f"tls://{name}:1", start="1", name=name, cores=1, memory=9, takes_work=True)


class Cluster:
    """Workers that give answers which a test writes down."""

    def __init__(self, *names: str) -> None:
        self.fleet = Fleet()
        self.fleet.update(map(seen, names))
        self.address = "tls://scheduler:1"
        self.answers: list[Any] = []
        self.asked: list[str] = []
        self.put: list[str] = []
        self.forgotten: list[Blob] = []
        self.in_store: Entry | None = None
        self.exchange = SimpleNamespace(
            put=lambda _path, blob: self.put.append(blob.sha256), forget=self.forgotten.append
        )
        self.store = SimpleNamespace(find=lambda _key: self.in_store)
        self.connection = self

    def ask(self, worker: Seen, _request: str, **more: Any) -> str:  # noqa: ANN401 - not looked at
        self.asked.append(worker.name)
        more["goes_on"]()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer if isinstance(answer, str) else answer.model_dump_json())

    def check(self, worker: Seen | None) -> None:
        if worker and not self.fleet.has(worker):
            raise LostError("it has gone")

    def run(self, *answers: Any, goes_on: Callable[[], None] = lambda: None, apart: str = "") -> Any:  # noqa: ANN401 - any answer
        self.answers = list(answers)
        return Attempts(
            members=self,  # type: ignore[arg-type] # as far as it is used
            name="net:mlir",
            wish=lambda _share, _number: wire.IdentityWish(version="1", image="toolchain"),
            begins=lambda _number, _worker: None,
            goes_on=goes_on,
            share=Share(),
            inputs={BLOB.sha256: (Path("in"), BLOB)},
            key="k",
            apart=tuple(apart),
        ).run()


def test_the_inputs_are_in_the_store_before_a_worker_is_asked() -> None:
    cluster = Cluster("a")
    assert cluster.run(DONE) == DONE
    assert cluster.put == [BLOB.sha256]


def test_an_action_whose_worker_is_lost_or_broken_runs_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster("a", "b", "c")
    assert cluster.run(LostError("it was killed"), wire.Broken(cause="its disk is full"), DONE) == DONE
    assert sorted(cluster.asked) == ["a", "b", "c"]
    said = capfd.readouterr().err
    assert f"net:mlir begins again on another worker. {cluster.asked[0]}: it was killed" in said
    assert f"{cluster.asked[1]}: its disk is full" in said


def test_after_three_workers_an_action_fails_with_what_happened_each_time() -> None:
    cluster = Cluster("a", "b", "c", "d")
    with pytest.raises(ClusterError, match="net:mlir: 3 workers could not run it") as raised:
        cluster.run(LostError("killed"), wire.Refused(cause="too old"), "no JSON", DONE)
    first, second, third = cluster.asked
    lines = raised.value.remedy.splitlines()
    assert lines[:2] == [f"{first}: killed", f"{second}: too old"]
    assert lines[2].startswith(f"{third}: its answer cannot be read")


def test_work_that_a_worker_had_done_before_it_was_lost_is_not_done_again() -> None:
    cluster = Cluster("a", "b")
    cluster.in_store = ENTRY
    assert cluster.run(LostError("killed")) == DONE
    assert len(cluster.asked) == 1


def test_an_input_that_the_store_has_lost_is_put_there_again() -> None:
    cluster = Cluster("a")
    assert cluster.run(wire.Missing(blob=BLOB), DONE) == DONE
    assert cluster.put == [BLOB.sha256] * 2
    assert cluster.forgotten == [BLOB]


def test_a_store_that_keeps_nothing_is_an_error() -> None:
    with pytest.raises(UnreachableError, match="the store has lost an input 3 times"):
        Cluster("a").run(*[wire.Missing(blob=BLOB)] * 3)


def test_a_build_that_ends_asks_no_other_worker() -> None:
    def end() -> None:
        raise ClusterError("cancelled")

    cluster = Cluster("a", "b")
    with pytest.raises(ClusterError, match="cancelled"):
        cluster.run(DONE, goes_on=end)
    assert len(cluster.asked) == 1
    # The worker has its cores back.
    assert cluster.fleet.choose("1", Share(), {}, ["b"], 0)


def test_without_any_worker_an_action_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "WAITS_FOR_WORKERS", 0.0)
    monkeypatch.setattr(attempts, "_LOOK_EVERY", 0.001)
    with pytest.raises(ClusterError, match="all workers of tls://scheduler:1 have gone"):
        Cluster().run(DONE)


def test_an_action_does_not_run_on_a_worker_that_has_it_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_LOOK_EVERY", 0.001)
    cluster = Cluster("a", "b")
    cluster.run(LostError("killed"), DONE, apart="a")
    assert cluster.asked == ["b", "b"]
    with pytest.raises(NobodyElseError):
        cluster.run(DONE, apart="ab")


def test_without_any_worker_but_damaged_ones_an_action_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_LOOK_EVERY", 0.001)
    cluster = Cluster("a", "b")
    cluster.fleet.exclude("ab")
    with pytest.raises(ClusterError, match="no worker is left: a, b have not made the same files"):
        cluster.run(DONE)
