"""The workers of a cluster, what each has, and which one an action gets. It touches no network."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cvimake.builder.store import Blob
from cvimake.core.capacity import Capacity, Share


@dataclass(frozen=True)
class Seen:
    """A worker as the scheduler tells of it.

    Attributes:
        address: where it is. Another worker can get the address once this one has ended.
        start: differs for two workers that have had one address.
        name: for people.
        cores, memory: what it announces; the memory in bytes.
        takes_work: whether it takes further actions.
    """

    address: str
    start: str
    name: str
    cores: int
    memory: int
    takes_work: bool


@dataclass
class _Worker:
    seen: Seen
    # The shares of it that the actions of this build have, by the number of each action.
    shares: dict[str, Share] = field(default_factory=dict)
    # The sha256 of the files that it has taken from the store.
    held: set[str] = field(default_factory=set)
    # The number of its actions that another worker has run too.
    compared: int = 0

    @property
    def free_cores(self) -> int:
        return self.seen.cores - sum(share.cores for share in self.shares.values())

    @property
    def free_memory(self) -> int:
        return self.seen.memory - sum(share.memory for share in self.shares.values())

    def fits(self, share: Share) -> bool:
        """Tell whether an action can begin; one that needs more than the worker has gets it for itself."""
        return not self.shares or (self.free_cores >= 1 and self.free_memory >= share.memory)


class NobodyElseError(Exception):
    """There is no worker but those that an action must not run on."""


class Fleet:
    """The workers that take a build's actions. Several threads may call its methods.

    Attributes:
        excluded: the names of the workers that get no action of this build any more. A scheduler knows no two
            workers with one name.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._workers: dict[tuple[str, str], _Worker] = {}
        self.excluded: frozenset[str] = frozenset()

    def update(self, seen: Iterable[Seen]) -> None:
        """Take the workers that are there now; all others are lost."""
        with self._changed:
            self._workers = {
                (each.address, each.start): _Worker(each)
                if (known := self._workers.get((each.address, each.start))) is None
                else dataclasses.replace(known, seen=each)
                for each in seen
                if each.name not in self.excluded
            }
            self._changed.notify_all()

    def exclude(self, names: Iterable[str]) -> None:
        """Give some workers no action any more."""
        with self._changed:
            self.excluded |= frozenset(names)
            self._workers = {
                place: worker
                for place, worker in self._workers.items()
                if worker.seen.name not in self.excluded
            }
            self._changed.notify_all()

    def excludes(self, names: Collection[str]) -> bool:
        """Tell whether all of some workers are excluded."""
        return self.excluded.issuperset(names)

    def has(self, worker: Seen) -> bool:
        """Tell whether a worker is still there."""
        return (worker.address, worker.start) in self._workers

    def names(self) -> list[str]:
        """Return the names of all workers."""
        with self._changed:
            return sorted(worker.seen.name for worker in self._workers.values())

    def capacity(self) -> Capacity:
        """Return what all workers have together for actions."""
        with self._changed:
            seen = [worker.seen for worker in self._workers.values() if worker.seen.takes_work]
            return Capacity(
                cores=max(1, sum(each.cores for each in seen)),
                memory=sum(each.memory for each in seen) or None,
                cores_each=max((each.cores for each in seen), default=1),
            )

    def idle(self) -> int:
        """Return the number of workers on which an action could begin now."""
        with self._changed:
            workers = self._workers.values()
            return sum(worker.seen.takes_work and worker.free_cores >= 1 for worker in workers)

    def choose(  # noqa: PLR0913 - all that a choice depends on
        self,
        number: str,
        share: Share,
        inputs: Mapping[str, Blob],
        avoid: Collection[str],
        seconds: float,
        *,
        apart: Collection[str] = (),
    ) -> tuple[Seen, Share] | None:
        """Give an action to the worker that suits it best, and wait until one has room.

        That is the worker that can give it the most cores; among those, the one that already has the most
        bytes of its inputs; and among those, the one with the most free cores. If the action also runs on
        other workers, the one whose results were compared the least comes first.

        Args:
            number: names the action until `release` is called.
            share: what it should get.
            inputs: the contents of its inputs, by sha256.
            avoid: the names of workers that it does not get, as long as there are others.
            seconds: how long to wait.
            apart: the names of workers that it never gets, since they run it too.

        Returns:
            The worker, and what the action gets there; None if no worker had room.
        """
        with self._changed:
            found = self._best(share, inputs, avoid, apart)
            if found is None:
                self._changed.wait(seconds)
                found = self._best(share, inputs, avoid, apart)
            if found is None:
                return None
            if apart:
                for worker in self._workers.values():
                    worker.compared += worker is found or worker.seen.name in apart
            got = dataclasses.replace(
                share,
                cores=max(1, min(share.cores, found.free_cores)),
                memory=min(share.memory, found.seen.memory),
            )
            found.shares[number] = got
            found.held |= inputs.keys()
            return found.seen, got

    def release(self, worker: Seen, number: str) -> None:
        """Give back the share of an action that has ended.

        Args:
            worker: that ran it.
            number: of the action.
        """
        with self._changed:
            if known := self._workers.get((worker.address, worker.start)):
                known.shares.pop(number, None)
            self._changed.notify_all()

    def _best(
        self, share: Share, inputs: Mapping[str, Blob], avoid: Collection[str], apart: Collection[str]
    ) -> _Worker | None:
        working = [
            worker
            for worker in self._workers.values()
            if worker.seen.takes_work and worker.seen.name not in apart
        ]
        others = [worker for worker in working if worker.seen.name not in avoid]
        fitting = [worker for worker in others or working if worker.fits(share)]

        def suits(worker: _Worker) -> tuple[int, int, int, int]:
            there = sum(inputs[sha256].size for sha256 in worker.held & inputs.keys())
            compared = worker.compared if apart else 0
            return -compared, min(share.cores, worker.free_cores), there, worker.free_cores

        return max(fitting, key=suits, default=None)
