"""Has an action run on a worker of a cluster, and on another one if that is lost or broken."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cvimake.builder.store import Blob
from cvimake.builder.store.exchange import UnreachableError
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.connection import LostError
from cvimake.cluster.fleet import NobodyElseError, Seen
from cvimake.cluster.membership import HERE, WAITS_FOR_WORKERS, Members, read
from cvimake.core import announce
from cvimake.core.capacity import Share

# An action fails after so many workers could not run it, or if the store has lost an input so many times.
MOST_ATTEMPTS = 3
_LOOK_EVERY = 0.5

Answer = wire.Done | wire.ToolFailed | wire.Identity | wire.Welcome


@dataclass(kw_only=True)
class Attempts:
    """The attempts to have a request answered.

    Args:
        members: the workers.
        name: of the action.
        share: what it should get of a worker.
        urgency: of several requests that wait for one worker, the one with the highest comes first.
        inputs: its inputs and their contents, by sha256.
        key: under which a worker notes its result in the store; empty if it does not.
        wish: returns the request, for the share that it has got and the number of the attempt.
        begins: is called with the number and the worker of each attempt.
        goes_on: is called while it waits; raises an exception to give up.
        apart: the names of workers that it must not run on, since they run it too.

    Attributes:
        worker: the name of the worker that has it at present, or had it last; empty before the first one.
    """

    members: Members
    name: str
    wish: Callable[[Share, str], wire.RunWish | wire.IdentityWish]
    begins: Callable[[str, Seen], None]
    goes_on: Callable[[], None]
    share: Share = field(default_factory=Share)
    urgency: float = 0.0
    inputs: Mapping[str, tuple[Path, Blob]] = field(default_factory=dict)
    key: str = ""
    apart: Collection[str] = ()
    worker: str = field(default="", init=False)

    def run(self) -> Answer:
        """Return the answer.

        Raises:
            ClusterError: several workers could not run it, or there is none any more.
            NobodyElseError: there are no workers but those that it must not run on.
            CvimakeError: its inputs cannot be sent.
        """
        tried: list[str] = []
        avoid: set[str] = set()
        resent = 0
        while True:
            for path, blob in self.inputs.values():
                self.members.exchange.put(path, blob)
            worker, reply = self._attempt(avoid)
            match reply:
                case wire.Done() | wire.ToolFailed() | wire.Identity() | wire.Welcome():
                    return reply
                case wire.Missing():
                    # Somebody has removed it from the store meanwhile.
                    self.members.exchange.forget(reply.blob)
                    resent += 1
                    if resent == MOST_ATTEMPTS:
                        raise UnreachableError(
                            f"{self.name}: the store has lost an input {MOST_ATTEMPTS} times after it was "
                            "put there",
                            "`./doit store:verify` reads all of it.",
                        )
                case wire.Refused() | wire.Broken():
                    tried.append(f"{worker.name}: {reply.cause}")
                    avoid.add(worker.name)
                    if len(tried) == MOST_ATTEMPTS:
                        raise ClusterError(
                            f"{self.name}: {MOST_ATTEMPTS} workers could not run it", "\n".join(tried)
                        )
                    announce.note(f"{self.name} begins again on another worker. {tried[-1]}")

    def _attempt(self, avoid: set[str]) -> tuple[Seen, Answer | wire.Missing | wire.Refused | wire.Broken]:
        """Have one worker answer; return it and its reply."""
        number = uuid.uuid4().hex
        worker, got = self._place(number, avoid)
        self.worker = worker.name
        try:
            self.begins(number, worker)
            answer = self.members.connection.ask(
                worker,
                self.wish(got, number).model_dump_json(),
                share=got,
                urgency=self.urgency,
                goes_on=lambda: self._check(worker),
            )
        except LostError as error:
            if self.key and (entry := self.members.store.find(self.key)):
                # The worker has gone after it had done its work.
                return worker, wire.Done(key=self.key, entry=entry, log=None)
            return worker, wire.Broken(cause=str(error))
        finally:
            self.members.fleet.release(worker, number)
        reply = read(answer)
        return worker, wire.Broken(cause=reply) if isinstance(reply, str) else reply

    def _check(self, worker: Seen | None) -> None:
        self.goes_on()
        self.members.check(worker)

    def _place(self, number: str, avoid: set[str]) -> tuple[Seen, Share]:
        """Return the worker that the action gets, and its share there.

        Raises:
            ClusterError: there is no worker any more.
            NobodyElseError: there are no workers but those that it must not run on.
        """
        blobs = {sha256: blob for sha256, (_, blob) in self.inputs.items()}
        without = 0.0
        while True:
            fleet = self.members.fleet
            if chosen := fleet.choose(number, self.share, blobs, avoid, _LOOK_EVERY, apart=self.apart):
                return chosen
            self._check(None)
            names = fleet.names()
            if self.apart and not set(names) - set(self.apart):
                raise NobodyElseError
            if fleet.excluded and not names:
                raise ClusterError(
                    f"{self.name}: no worker is left: {', '.join(sorted(fleet.excluded))} have not made the "
                    "same files",
                    f"What is finished stays. Start other workers, and then ./doit again. {HERE}",
                )
            without = 0.0 if names else without or time.monotonic()
            if without and time.monotonic() - without > WAITS_FOR_WORKERS:
                raise ClusterError(
                    f"{self.name}: all workers of {self.members.address} have gone, and none has come within "
                    f"{WAITS_FOR_WORKERS:.0f} s",
                    f"What is finished stays. Start workers, and then ./doit again. {HERE}",
                )
