"""The workers of a cluster that take a build's actions: they are found, greeted and watched."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cvimake
from cvimake.builder.build import Build
from cvimake.builder.store import Blob, Store
from cvimake.builder.store.exchange import Exchange
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.connection import Connection, LostError
from cvimake.cluster.fleet import Fleet, Seen
from cvimake.core import announce, digest

# Seconds that a build waits for a worker, at its beginning and if all have gone.
WAITS_FOR_WORKERS = 60.0
_LOOK_EVERY = 0.5
HERE = "CVIMAKE_CLUSTER=none ./doit builds on this machine."


class Members:
    """A build's connection to a cluster, with the workers that take its actions.

    Args:
        build: has the store and the recipe of the toolchain image.
        address: of the scheduler.
        planned: the fingerprint of the toolchain that the build was planned with; empty for the one that most
            workers have.
        tell: is called with what workers tell of running actions.

    Attributes:
        identity: the description of the workers' toolchain image.

    Raises:
        CvimakeError: an action could not run there.
    """

    def __init__(
        self, build: Build, address: str, planned: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self._build, self.address, self._fingerprint = build, address, planned
        self.store = _usable(build.store.store)
        self.exchange = Exchange(self.store)
        self.fleet = Fleet()
        self.identity: dict[str, Any] = {}
        # Workers that have been greeted, and whether each takes actions of this build.
        self._greeted: dict[tuple[str, str], bool] = {}
        with announce.step(f"reaching the scheduler at {address}"):
            self.connection = Connection(address, tell)
        try:
            self._await()
        except BaseException:
            self.connection.close()
            raise
        self.connection.watch(self._look)

    def check(self, worker: Seen | None = None) -> None:
        """Check that an action's answer can still come.

        Args:
            worker: that runs the action; None if none does yet.

        Raises:
            ClusterError: the scheduler has gone.
            LostError: the worker has gone.
        """
        if self.connection.is_gone:
            raise ClusterError(
                f"the scheduler at {self.address} has gone",
                f"What is finished stays. Start it and its workers, and then ./doit again. {HERE}",
            )
        if worker is not None and self.fleet.excludes([worker.name]):
            raise LostError("it is taken to be damaged, because it has not made the same files as others")
        if worker is not None and not self.fleet.has(worker):
            raise LostError("the worker has gone: it was killed or ended, or the network to it was cut")

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def _await(self) -> None:
        """Wait until a worker takes actions of this build.

        Raises:
            ClusterError: none has come, or all refuse.
        """
        until = time.monotonic() + WAITS_FOR_WORKERS
        while True:
            seen = self.connection.workers()
            refused = self._look(seen)
            if names := self.fleet.names():
                cores = self.fleet.capacity().cores
                announce.note(f"stages run on {', '.join(names)}, with {cores} cores together")
                return
            if seen:
                raise ClusterError(
                    f"no worker of {self.address} can run this build", "\n".join([*refused, HERE])
                )
            if time.monotonic() > until:
                raise ClusterError(
                    f"no worker has come to {self.address} within {WAITS_FOR_WORKERS:.0f} s",
                    f"Start one: cvimake worker {self.address}. {HERE}",
                )
            time.sleep(_LOOK_EVERY)

    def _look(self, seen: list[Seen]) -> list[str]:
        """Greet new workers, and take those that run actions of this build.

        Returns:
            Why each of the others does not.
        """
        new = {each.address: each for each in seen if (each.address, each.start) not in self._greeted}
        refused: dict[str, str] = {}
        welcomes: dict[str, wire.Welcome] = {}
        for address, reply in self._greet(list(new)).items():
            if isinstance(reply, wire.Welcome) and digest.of_value(reply.identity) == reply.fingerprint:
                welcomes[address] = reply
            else:
                refused[address] = (
                    reply.cause if isinstance(reply, wire.Refused | wire.Broken) else str(reply)
                )
        if welcomes and not self._fingerprint:
            # The toolchain that most of them have.
            counts = Counter(reply.fingerprint for reply in welcomes.values())
            self._fingerprint = max(counts, key=lambda each: (counts[each], each))
        for address, reply in welcomes.items():
            if reply.fingerprint == self._fingerprint:
                self.identity = self.identity or reply.identity
            else:
                refused[address] = (
                    f"its toolchain image has the fingerprint {reply.fingerprint[:12]}, and others have "
                    f"{self._fingerprint[:12]}: make all images from one recipe and base"
                )
        for address, each in new.items():
            self._greeted[each.address, each.start] = address in welcomes and address not in refused
        told = [f"{new[address].name}: {why}" for address, why in refused.items()]
        for text in told:
            announce.note(f"warning: the worker {text}")
        self.fleet.update(each for each in seen if self._greeted.get((each.address, each.start)))
        return told

    def _greet(self, addresses: list[str]) -> dict[str, Any]:
        """Return what workers reply to a greeting, by their addresses; a text for one that is no reply."""
        if not addresses:
            return {}
        with self._probe() as probe:
            greeting = wire.Greeting(
                version=cvimake.__version__,
                recipe=self._build.recipe.digest(),
                fingerprint=self._fingerprint,
                probe=probe,
            )
            answers = self.connection.greet(addresses, greeting.model_dump_json())
        return {address: read(answer) for address, answer in answers.items()}

    @contextlib.contextmanager
    def _probe(self) -> Iterator[Blob]:
        """Put a file into the store that nobody else could have put there; it is removed afterwards."""
        content = os.urandom(32).hex()
        blob = Blob(sha256=digest.of_text(content), size=len(content))
        with tempfile.TemporaryDirectory(dir=self._build.root / "build") as folder:
            path = Path(folder) / "probe"
            path.write_text(content, encoding="ascii")
            self.exchange.put(path, blob)
        try:
            yield blob
        finally:
            self.exchange.remove(blob)


def _usable(store: Store | None) -> Store:
    """Return the store that files travel through.

    Raises:
        ClusterError: there is none, or it takes no files.
    """
    if store is None:
        raise ClusterError(
            "a cluster needs a store, through which files travel, and there is none",
            f"Set CVIMAKE_STORE to a place that this machine and all workers reach. {HERE}",
        )
    if not store.takes_results:
        raise ClusterError(
            f"a cluster needs a store that takes files, and {store.label} can only be read",
            f"Set CVIMAKE_STORE_READ_ONLY=0, with credentials that may write. {HERE}",
        )
    return store


def read(answer: str | Exception) -> Any:  # noqa: ANN401 - a reply, or why there is none
    """Return a worker's reply; a text that says why it is none."""
    if isinstance(answer, Exception):
        return f"it has not answered: {type(answer).__name__}: {answer}"
    try:
        return wire.read_reply(answer)
    except ValueError as error:
        return f"its answer cannot be read: {error}"
