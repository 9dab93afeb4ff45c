"""A sample of the stages runs on two workers, and their files are compared: this finds a damaged machine."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from cvimake.builder.store.exchange import UnreachableError
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.damage import DamagedWorkerError, Verdict, judged
from cvimake.cluster.fleet import NobodyElseError
from cvimake.core import announce
from cvimake.core.errors import CvimakeError

# Dask is slow to import, and only needed where something runs.
if TYPE_CHECKING:
    from cvimake.cluster.membership import Members

COMPARE_VARIABLE = "CVIMAKE_CLUSTER_COMPARE"
# A key is a sha256 in hexadecimal. So many of its digits choose the sample.
_DIGITS = 13

Reply = wire.Done | wire.ToolFailed


class GivenUpError(ClusterError):
    """Nobody waits for an answer any more."""


class Ask(Protocol):
    """Has an action run on a worker, and returns the worker's name and its reply."""

    def __call__(
        self,
        *,
        apart: Collection[str] = (),
        begins: Callable[[str], None] = ...,
        goes_on: Callable[[], None] = ...,
    ) -> tuple[str, Reply]:
        """Have the action run.

        Args:
            apart: the names of the workers that it must not run on, since they run it too.
            begins: is called with the name of the worker at each attempt.
            goes_on: is called while it waits; raises an exception to give up.

        Raises:
            NobodyElseError: there are no workers but these.
            CvimakeError: it could not run.
        """


def compared_share(environment: Mapping[str, str], declared: float = 0.0) -> float:
    """Return the share of the stages that run on two workers, from 0 to 1.

    Args:
        environment: the variables that cvimake was started with; they win.
        declared: the share in the settings.

    Raises:
        ClusterError: it is no such number.
    """
    given = environment.get(COMPARE_VARIABLE, "")
    if not given:
        return declared
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ClusterError(
            f"{COMPARE_VARIABLE} is {given!r}; it must be a number from 0 to 1",
            "It is the share of the stages that run on two workers: 0.05 is one of twenty, 0 none.",
        )
    return share


def is_compared(key: str, share: float) -> bool:
    """Tell whether the action with this key belongs to the sample: in every build that has this share."""
    return int(key[:_DIGITS], 16) < share * float(16**_DIGITS)


class Comparison:
    """The comparisons of one build. Several threads may call `run`.

    With it, workers put their files into the store but do not note there whose result they are. The build
    notes this: after the comparison, and never for a worker that was found to be damaged.

    Args:
        share: of the stages that run on two workers.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._guard = threading.Lock()
        # For each worker, by name, the results that no other one has made: names of actions, by their keys.
        self._alone: dict[str, dict[str, str]] = defaultdict(dict)
        self._once = announce.Once()

    def run(self, members: Members, name: str, key: str, ask: Ask) -> tuple[Reply, tuple[str, ...]]:
        """Have an action run, and note its result in the store.

        Args:
            members: the workers, and the store.
            name: of the action.
            key: of its result.
            ask: has it run once.

        Returns:
            The reply, and the names of the workers that agree on it.

        Raises:
            DamagedWorkerError: workers have made different files.
            CvimakeError: it could not run.
        """
        while True:
            runs = self._runs(name, ask) if is_compared(key, self._share) else dict([ask()])
            verdict = judged(runs)
            if verdict.named:
                self._exclude(members, name, key, verdict)
            workers = tuple(runs)
            reply = runs[workers[0]]
            if isinstance(reply, wire.ToolFailed) or self._keep(members, name, key, reply, workers):
                return reply, workers

    def _runs(self, name: str, ask: Ask) -> dict[str, Reply]:
        """Have an action run on two workers at one time, and on a third one if these have not made the same.

        Returns:
            The replies, by the names of the workers. It is one only if no other worker could run the action.
        """
        runs = _both(name, ask)
        while len(runs) < 2 or (len(runs) == 2 and judged(runs).named):  # noqa: PLR2004 - two differ, a third decides
            found = _again(name, ask, runs, threading.Event())
            if found is None:
                break
            runs.setdefault(*found)
        if len(runs) == 1:
            self._once.note("warning: stages cannot be compared: no other worker takes them")
        return runs

    def _keep(
        self, members: Members, name: str, key: str, reply: wire.Done, workers: Collection[str]
    ) -> bool:
        """Note a result in the store; return False if all workers that made it were found to be damaged.

        Raises:
            UnreachableError: the store cannot be used.
        """
        if len(workers) == 1:
            with self._guard:
                for worker in workers:
                    self._alone[worker][key] = name
        if not members.fleet.excludes(workers):
            members.exchange.keep(key, reply.entry)
        # A worker may have been found to be damaged meanwhile.
        if not members.fleet.excludes(workers):
            return True
        members.exchange.drop(key)
        return False

    def _exclude(self, members: Members, name: str, key: str, verdict: Verdict) -> None:
        """Take damaged workers out of the build, and their results out of the store.

        Raises:
            DamagedWorkerError: always.
        """
        members.fleet.exclude(verdict.named)
        with self._guard:
            suspect = {
                made: stage for worker in verdict.named for made, stage in self._alone.pop(worker, {}).items()
            }
        try:
            for each in suspect:
                members.exchange.drop(each)
            if isinstance(verdict.reply, wire.Done):
                members.exchange.keep(key, verdict.reply.entry)
        except UnreachableError as error:
            raise DamagedWorkerError(name, verdict, sorted(suspect.values()), str(error)) from error
        raise DamagedWorkerError(name, verdict, sorted(suspect.values()))


def _both(name: str, ask: Ask) -> dict[str, Reply]:
    """Have an action run on two workers at one time, and return their replies: one if there is no other."""
    over = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="compared") as pool:
        second: list[Future[tuple[str, Reply] | None]] = []

        def begins(worker: str) -> None:
            if not second:
                second.append(pool.submit(_again, name, ask, [worker], over))

        try:
            runs = dict([ask(begins=begins)])
            found = second[0].result() if second else None
        finally:
            # If the first could not run, nobody waits for the second.
            over.set()
    if found:
        # A worker that was lost may have left the action to the one that ran it for the second time.
        runs.setdefault(*found)
    return runs


def _again(name: str, ask: Ask, apart: Collection[str], over: threading.Event) -> tuple[str, Reply] | None:
    """Have an action run on another worker; return None if there is none, or if it could not.

    Args:
        name: of the action.
        ask: has it run.
        apart: the names of the workers that have it already.
        over: is set when nobody waits for this any more.
    """

    def goes_on() -> None:
        if over.is_set():
            raise GivenUpError("cancelled")

    try:
        return ask(apart=tuple(apart), goes_on=goes_on)
    except NobodyElseError:
        return None
    except GivenUpError:
        if over.is_set():
            return None
        raise
    except CvimakeError as error:
        announce.note(f"warning: {name} was not compared: {error.cause}")
        return None
