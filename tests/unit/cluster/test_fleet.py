from __future__ import annotations

import dataclasses

from cvimake.builder.store import Blob
from cvimake.cluster.fleet import Fleet, Seen
from cvimake.core.capacity import Share

A = Seen(address="tls://a:1", start="1", name="a", cores=4, memory=100, takes_work=True)
B = Seen(address="tls://b:1", start="1", name="b", cores=2, memory=50, takes_work=True)
ONE = Share(cores=1, memory=10)


def fleet(*seen: Seen) -> Fleet:
    made = Fleet()
    made.update(seen)
    return made


def placed(workers: Fleet, number: str, share: Share = ONE, inputs: str = "", avoid: str = "") -> str:
    """Return the name of the worker that an action gets; empty for none."""
    blobs = {sha256: Blob(sha256=sha256 * 64, size=5) for sha256 in inputs}
    chosen = workers.choose(number, share, blobs, avoid, 0)
    return chosen[0].name if chosen else ""


def test_all_workers_together_have_what_each_has() -> None:
    capacity = fleet(A, B).capacity()
    assert (capacity.cores, capacity.memory, capacity.cores_each) == (6, 150, 4)


def test_an_action_gets_as_many_cores_as_one_worker_has_free() -> None:
    workers = fleet(A, B)
    chosen = workers.choose("1", Share(cores=6, memory=10), {}, (), 0)
    assert chosen == (A, Share(cores=4, memory=10))
    assert placed(workers, "2") == "b"


def test_a_worker_that_has_the_inputs_is_preferred() -> None:
    workers = fleet(A, B)
    assert placed(workers, "0", inputs="d", avoid="a") == "b"
    workers.release(B, "0")
    assert placed(workers, "1", inputs="de") == "b"
    workers.release(B, "1")
    assert placed(workers, "2", inputs="e") == "b"
    assert placed(workers, "3", inputs="f") == "a"


def test_no_worker_gets_more_than_it_has() -> None:
    workers = fleet(B)
    assert [placed(workers, number) for number in "123"] == ["b", "b", ""]
    workers.release(B, "1")
    assert placed(workers, "3", Share(cores=1, memory=41)) == ""
    assert placed(workers, "3", Share(cores=1, memory=40)) == "b"


def test_an_action_that_needs_more_than_any_worker_has_gets_one_for_itself() -> None:
    workers = fleet(B)
    large = Share(cores=1, memory=1000)
    assert placed(workers, "1") == "b"
    assert placed(workers, "2", large) == ""
    workers.release(B, "1")
    chosen = workers.choose("2", large, {}, (), 0)
    assert chosen == (B, Share(cores=1, memory=50))


def test_a_worker_that_failed_is_avoided_if_there_is_another() -> None:
    assert placed(fleet(A, B), "1", avoid="a") == "b"
    assert placed(fleet(A), "1", avoid="a") == "a"


def test_a_worker_that_ends_gets_no_further_action() -> None:
    workers = fleet(dataclasses.replace(A, takes_work=False), B)
    assert workers.capacity().cores == 2
    assert [placed(workers, number) for number in "123"] == ["b", "b", ""]


def test_a_worker_started_anew_at_an_address_is_another_one() -> None:
    workers = fleet(A)
    again = dataclasses.replace(A, start="2")
    workers.update([again])
    assert not workers.has(A)
    assert workers.has(again)
    # An action of the first one has ended meanwhile.
    workers.release(A, "1")
    assert workers.names() == ["a"]


def test_what_runs_on_a_worker_stays_known_while_others_come() -> None:
    workers = fleet(B)
    assert [placed(workers, number) for number in "12"] == ["b", "b"]
    workers.update([B, A])
    assert [placed(workers, str(number)) for number in range(3, 8)] == ["a", "a", "a", "a", ""]


def test_an_action_that_is_compared_goes_to_the_worker_that_was_compared_the_least() -> None:
    workers = fleet(A, B, dataclasses.replace(A, address="tls://c:1", name="c"))
    chosen = [workers.choose(str(number), ONE, {}, (), 0, apart="c") for number in range(3)]
    assert [each[0].name for each in chosen if each] == ["a", "b", "a"]
    assert workers.choose("3", ONE, {}, (), 0, apart="abc") is None


def test_an_excluded_worker_does_not_come_back() -> None:
    workers = fleet(A, B)
    workers.exclude(["a"])
    workers.update([A, B])
    assert workers.names() == ["b"]
    assert not workers.has(A)
    assert workers.excludes(["a"])
    assert not workers.excludes(["a", "b"])
    workers.release(A, "1")


def test_workers_with_a_free_core_are_idle() -> None:
    workers = fleet(A, B, dataclasses.replace(A, address="tls://c:1", name="c", takes_work=False))
    assert workers.idle() == 2
    assert [placed(workers, number, avoid="a") for number in "12"] == ["b", "b"]
    assert workers.idle() == 1
