from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import stores

from cvimake.builder.store import Entry, Store, blob_file
from cvimake.builder.store.exchange import Exchange
from cvimake.builder.store.folder import FolderPlace
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.comparison import Comparison, GivenUpError, compared_share, is_compared
from cvimake.cluster.damage import DamagedWorkerError
from cvimake.cluster.fleet import Fleet, NobodyElseError, Seen

# The first key is in a sample of a half, the second is not.
LOW, HIGH = "0" * 64, "f" * 64
GOOD, BAD = b"good", b"bad"


class Site:
    """A store, and workers that make the bytes that a test sets: None if the tool fails there."""

    def __init__(self, root: Path, **made: bytes | None) -> None:
        self.root, self.made = root, made
        self.store = Store(FolderPlace(root / "store"), "the store")
        self.exchange = Exchange(self.store)
        self.fleet = Fleet()
        self.fleet.update(
            Seen(address=name, start="1", name=name, cores=1, memory=9, takes_work=True) for name in made
        )
        self.asked: list[str] = []
        self.guard = threading.Lock()

    def ask(
        self,
        *,
        apart: Collection[str] = (),
        begins: Callable[[str], None] = lambda _worker: None,
        goes_on: Callable[[], None] = lambda: None,
    ) -> tuple[str, Any]:
        goes_on()
        left = [name for name in self.fleet.names() if name not in apart]
        if not left:
            raise NobodyElseError
        self.asked.append(left[0])
        begins(left[0])
        content = self.made[left[0]]
        if content is None:
            return left[0], wire.ToolFailed(
                id="x", cause="it failed", remedy="", link="", excerpt=(), log=None
            )
        with self.guard:
            blobs = {"net.mlir": stores.put(self.exchange, self.root, content)}
        entry = Entry(action="net:mlir", seconds=1.0, outputs=blobs)
        return left[0], wire.Done(key=LOW, entry=entry, log=None)

    def run(self, comparison: Comparison, key: str = LOW, name: str = "net:mlir", ask: Any = None) -> Any:  # noqa: ANN401 - a fake
        return comparison.run(self, name, key, ask or self.ask)  # type: ignore[arg-type] # as far as it is used

    def kept(self, key: str = LOW) -> bytes | None:
        """Return the bytes that the store has under a key."""
        entry = self.store.find(key)
        if entry is None:
            return None
        return (self.root / "store" / blob_file(entry.outputs["net.mlir"].sha256)).read_bytes()


def test_a_sample_is_the_same_in_every_build_and_grows_with_its_share() -> None:
    keys = [f"{number * 0x9E3779B97F4A7C15 % 16**16:016x}" for number in range(1000)]
    few, many = ({key for key in keys if is_compared(key, share)} for share in (0.05, 0.5))
    assert few < many
    assert 30 < len(few) < 70
    assert 450 < len(many) < 550
    assert all(is_compared(key, 1.0) for key in [*keys, HIGH])
    assert not any(is_compared(key, 0.0) for key in [*keys, LOW])


@pytest.mark.parametrize(
    ("given", "declared", "share"), [("", 0.0, 0.0), ("", 0.25, 0.25), ("0", 0.25, 0.0), ("0.5", 0.0, 0.5)]
)
def test_the_environment_wins_over_the_settings(given: str, declared: float, share: float) -> None:
    assert compared_share({"CVIMAKE_CLUSTER_COMPARE": given}, declared) == share


@pytest.mark.parametrize("given", ["x", "-0.1", "1.1", "nan", "5%"])
def test_a_wrong_share_is_refused(given: str) -> None:
    with pytest.raises(ClusterError, match=f"CVIMAKE_CLUSTER_COMPARE is '{given}'; it must be a number"):
        compared_share({"CVIMAKE_CLUSTER_COMPARE": given})


def test_a_stage_of_the_sample_runs_on_two_workers_and_others_on_one(tmp_path: Path) -> None:
    site = Site(tmp_path, a=GOOD, b=GOOD)
    comparison = Comparison(0.5)
    _, workers = site.run(comparison, HIGH)
    assert workers == ("a",)
    assert site.kept(HIGH) == GOOD
    reply, workers = site.run(comparison)
    assert workers == ("a", "b")
    assert isinstance(reply, wire.Done)
    assert site.kept() == GOOD
    assert site.asked == ["a", "a", "b"]


def test_with_one_worker_it_is_said_once_that_nothing_is_compared(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site, comparison = Site(tmp_path, a=GOOD), Comparison(1.0)
    for key in (LOW, HIGH):
        assert site.run(comparison, key)[1] == ("a",)
        assert site.kept(key) == GOOD
    assert capfd.readouterr().err.count("stages cannot be compared: no other worker takes them") == 1


@pytest.mark.parametrize("made", [{"a": GOOD, "b": BAD, "c": GOOD}, {"a": GOOD, "b": None, "c": GOOD}])
def test_a_third_worker_decides_and_its_result_is_kept(tmp_path: Path, made: dict[str, bytes | None]) -> None:
    site = Site(tmp_path, **made)
    with pytest.raises(DamagedWorkerError, match="net:mlir: b has not made the same as a and c"):
        site.run(Comparison(1.0))
    assert site.kept() == GOOD
    assert site.fleet.names() == ["a", "c"]


def test_with_two_workers_both_are_named_and_nothing_is_kept(tmp_path: Path) -> None:
    site = Site(tmp_path, a=GOOD, b=BAD)
    with pytest.raises(DamagedWorkerError, match="a and b have not made the same") as raised:
        site.run(Comparison(1.0))
    assert "net.mlir: sha256" in raised.value.remedy
    assert site.kept() is None
    assert site.fleet.names() == []


def test_results_that_only_a_damaged_worker_has_made_leave_the_store(tmp_path: Path) -> None:
    site, comparison = Site(tmp_path, a=BAD, b=GOOD, c=GOOD), Comparison(0.5)
    site.run(comparison, HIGH, "net:onnx")
    assert site.kept(HIGH) == BAD
    with pytest.raises(DamagedWorkerError, match="a has not made the same as b and c") as raised:
        site.run(comparison)
    assert "made by a in this build: net:onnx.\nThey are no longer in the store" in raised.value.remedy
    assert site.kept(HIGH) is None
    assert site.kept() == GOOD
    # From now on, the others do its work.
    assert site.run(comparison, HIGH)[1] == ("b",)
    assert site.kept(HIGH) == GOOD


def test_a_worker_that_is_found_to_be_damaged_when_its_result_has_just_come_does_not_keep_it(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path, a=BAD, b=GOOD)

    def ask(**options: Any) -> Any:  # noqa: ANN401 - as it is
        worker, reply = site.ask(**options)
        if worker == "a":
            site.fleet.exclude(["a"])
        return worker, reply

    assert site.run(Comparison(0.5), HIGH, ask=ask)[1] == ("b",)
    assert site.kept(HIGH) == GOOD


def test_a_second_run_that_is_not_possible_does_not_end_the_stage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, a=GOOD, b=GOOD)

    def ask(**options: Any) -> Any:  # noqa: ANN401 - as it is
        if options.get("apart"):
            raise ClusterError("three workers could not run it")
        return site.ask(**options)

    assert site.run(Comparison(1.0), ask=ask)[1] == ("a",)
    assert site.kept() == GOOD
    assert "net:mlir was not compared: three workers could not run it" in capfd.readouterr().err


def test_if_the_first_run_is_not_possible_nobody_waits_for_the_second(tmp_path: Path) -> None:
    site = Site(tmp_path, a=GOOD, b=GOOD)
    begun = threading.Event()

    def ask(**options: Any) -> Any:  # noqa: ANN401 - as it is
        if not options.get("apart"):
            options["begins"]("a")
            assert begun.wait(60)
            raise ClusterError("three workers could not run it")
        begun.set()
        while True:
            options["goes_on"]()

    with pytest.raises(ClusterError, match="three workers could not run it"):
        site.run(Comparison(1.0), ask=ask)


def test_a_build_that_ends_compares_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, a=GOOD, b=GOOD)

    def ask(**options: Any) -> Any:  # noqa: ANN401 - as it is
        if options.get("apart"):
            raise GivenUpError("cancelled")
        return site.ask(**options)

    with pytest.raises(GivenUpError):
        site.run(Comparison(1.0), ask=ask)


def test_a_worker_that_takes_over_from_a_lost_one_is_not_compared_with_itself(tmp_path: Path) -> None:
    site = Site(tmp_path, a=GOOD, b=GOOD, c=GOOD)
    second = threading.Event()

    def ask(**options: Any) -> Any:  # noqa: ANN401 - as it is
        if options.get("apart"):
            answer = site.ask(**options)
            second.set()
            return answer
        options["begins"]("a")
        assert second.wait(60)
        # Worker a has been lost, and b gets the action too.
        return site.ask(apart=["a"])

    assert site.run(Comparison(1.0), ask=ask)[1] == ("b", "a")
