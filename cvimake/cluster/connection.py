"""A build's connection to the scheduler of a Dask cluster. This file and `dask_worker.py` alone know Dask."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

from distributed import Client, Future

from cvimake.cluster.address import ClusterError
from cvimake.cluster.dask_worker import CORES, MEMORY, greet, perform, quiet, reason, security_for
from cvimake.cluster.fleet import Seen
from cvimake.core.capacity import Share
from cvimake.core.errors import CvimakeError

# Seconds for the first connection, and for a worker to answer at once.
_CONNECTS_WITHIN, _ANSWERS_WITHIN = 15.0, 120.0
# How often the workers are looked at, and how long the scheduler may not answer, in seconds.
_LOOK_EVERY, _LONGEST_SILENCE = 1.0, 60.0


class LostError(Exception):
    """An action will have no answer: its worker has gone, or could not begin."""


class Connection:
    """A connection to a scheduler. Several threads may call its methods.

    Args:
        address: of the scheduler.
        told: is called with what workers tell of running actions.

    Raises:
        ClusterError: the scheduler does not answer, or refuses.
    """

    def __init__(self, address: str, told: Callable[[dict[str, Any]], None]) -> None:
        self.address, self._told = address, told
        self.topic = f"cvimake-{uuid.uuid4().hex}"
        self._ended = threading.Event()
        self._gone = False
        self._watcher: threading.Thread | None = None
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(quiet())
        security = security_for(address, "client")
        try:
            self._client = Client(
                address, security=security, timeout=_CONNECTS_WITHIN, set_as_default=False, name="cvimake"
            )
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:
            self._quiet.close()
            raise ClusterError(
                f"the scheduler at {address} does not answer: {reason(error)}",
                "Look whether it runs, whether the address is right, and whether both have certificates of "
                "one authority. CVIMAKE_CLUSTER=none ./doit builds on this machine.",
            ) from error
        self._client.subscribe_topic(self.topic, self._tell)

    def watch(self, changed: Callable[[list[Seen]], object]) -> None:
        """Begin to look for workers that come and go, and call a function with those that are there."""

        def look() -> None:
            answered = time.monotonic()
            while not self._ended.wait(_LOOK_EVERY):
                # Dask has many errors. Those that last are told by each action.
                with contextlib.suppress(Exception):
                    seen = self.workers()
                    answered = time.monotonic()
                    changed(seen)
                self._gone = self._gone or time.monotonic() - answered > _LONGEST_SILENCE

        self._watcher = threading.Thread(target=look, name="cluster", daemon=True)
        self._watcher.start()

    @property
    def is_gone(self) -> bool:
        """Tell whether the scheduler has gone. It does not come back with what it knew."""
        return self._gone or self._client.status != "running"

    def workers(self) -> list[Seen]:
        """Return the workers that the scheduler knows and that announce what cvimake needs.

        Raises:
            ClusterError: it does not answer.
        """
        try:
            # Not `scheduler_info`: every two seconds, Dask puts a list without workers in its place.
            told = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
        except OSError as error:
            raise ClusterError(f"the scheduler at {self.address} does not answer: {reason(error)}") from error
        return [
            Seen(
                address=address,
                start=str(worker["local_directory"]),
                name=str(worker["name"]),
                cores=int(worker["resources"][CORES]),
                memory=int(worker["resources"][MEMORY]),
                takes_work=worker["status"] == "running",
            )
            for address, worker in told.items()
            if {CORES, MEMORY} <= worker["resources"].keys()
        ]

    def greet(self, addresses: Collection[str], request: str) -> dict[str, str | Exception]:
        """Ask workers something that they answer at once, even if they are busy; return all answers."""
        if not addresses:
            return {}
        answers: dict[str, str | Exception] = self._client.sync(
            self._client._run,  # noqa: SLF001 - `run` cannot be given a time
            greet,
            request,
            workers=list(addresses),
            on_error="return",
            callback_timeout=_ANSWERS_WITHIN,
        )
        return answers

    def ask(  # noqa: PLR0913 - what an action needs, by keyword
        self,
        worker: Seen,
        request: str,
        *,
        share: Share,
        urgency: float,
        goes_on: Callable[[], None],
        seconds: float = 0.2,
    ) -> str:
        """Have a worker answer a request in one of its threads, and wait for the answer.

        Args:
            worker: that answers; no other one does.
            request: see `cluster/wire.py`.
            share: what of the worker is taken meanwhile.
            urgency: of several requests that wait for one worker, the one with the highest comes first.
            goes_on: is called while it waits; raises an exception to give up.
            seconds: between two of these calls.

        Raises:
            LostError: there will be no answer.
        """
        answered = threading.Event()
        try:
            future: Future = self._client.submit(
                perform,
                request,
                key=f"cvimake-{uuid.uuid4().hex}",
                pure=False,
                retries=0,
                workers=[worker.address],
                allow_other_workers=False,
                resources={CORES: share.cores, MEMORY: share.memory},
                priority=urgency,
            )
        except Exception as error:
            goes_on()
            raise LostError(reason(error)) from error
        try:
            future.add_done_callback(lambda _future: answered.set())
            while not answered.wait(seconds):
                goes_on()
            answer = future.result(timeout=_ANSWERS_WITHIN)
        except (LostError, CvimakeError):
            raise
        except Exception as error:
            # The scheduler's end shows as an error of the future, too.
            goes_on()
            raise LostError(reason(error)) from error
        finally:
            # The worker sees this and ends the action, if it still runs.
            with contextlib.suppress(Exception):
                future.release()
        return str(answer)

    def close(self) -> None:
        """End the connection; the scheduler ends what still runs for it."""
        self._ended.set()
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)
        if self._watcher:
            self._watcher.join(timeout=5)
        self._quiet.close()

    def _tell(self, event: tuple[float, Any]) -> None:
        with contextlib.suppress(ValueError, TypeError):
            told = json.loads(event[1])
            if isinstance(told, dict):
                self._told(told)
