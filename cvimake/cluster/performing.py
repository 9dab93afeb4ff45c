"""Has the workers of a cluster perform the actions of a build, and tells how far they are."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cvimake
from cvimake.builder import restore
from cvimake.builder.build import Build
from cvimake.builder.executor import Job
from cvimake.builder.store import Blob
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.comparison import Comparison, GivenUpError, Reply
from cvimake.cluster.fleet import Seen
from cvimake.cluster.shards import Computed
from cvimake.core import digest
from cvimake.core.action import Action
from cvimake.core.capacity import Share
from cvimake.core.content import State

# Dask is slow to import, and only needed where something runs.
if TYPE_CHECKING:
    from cvimake.cluster.attempts import Attempts
    from cvimake.cluster.membership import Members


def _nothing(*_ignored: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An action that workers are to perform.

    Attributes:
        job: has the image and the share of the cluster.
        action: that of the job, or one that does a part of its work.
        states: of the action's inputs, by their paths.
        place: of the shard, from 0 on; 0 for the whole action.
        computed: the parts of its work that are done.
        goes_on: is called while it waits; raises an exception to give up.
    """

    job: Job
    action: Action
    states: Mapping[str, State]
    place: int = 0
    computed: Computed = field(default_factory=Computed)
    goes_on: Callable[[], None] = _nothing

    @property
    def key(self) -> str:
        """Return the key of its result."""
        return restore.key_of(self.action, self.job.toolchain, self.states)


class Performer:
    """Has workers perform the actions of one build. Several threads may call its methods.

    Args:
        build: has what runs.
        compared: the share of the actions that run on two workers; see `cluster/comparison.py`.
    """

    def __init__(self, build: Build, compared: float) -> None:
        self._activities = build.activities
        self._comparison = Comparison(compared) if compared else None
        self._cancelled = threading.Event()
        # The names of the running actions and the places of their shards, by the number of each attempt.
        self._running: dict[str, tuple[str, int]] = {}
        # The progress of each shard of an action, by its place.
        self._percents: dict[str, dict[int, int]] = defaultdict(dict)

    def cancel(self) -> None:
        """Give up all actions, and begin no other."""
        self._cancelled.set()

    def attempts(self, goes_on: Callable[[], None] = _nothing, **values: Any) -> Attempts:  # noqa: ANN401 - those of `Attempts`
        """Return the attempts to have a request answered, which end if the build does.

        Args:
            goes_on: is called while they wait; raises an exception to give up.
            values: those of `Attempts`.
        """
        from cvimake.cluster.attempts import Attempts  # noqa: PLC0415 - slow to import, as above

        def all_goes_on() -> None:
            if self._cancelled.is_set():
                raise GivenUpError("cancelled")
            goes_on()

        return Attempts(goes_on=all_goes_on, **values)

    def perform(self, members: Members, wanted: Wanted) -> tuple[Reply, tuple[str, ...]]:
        """Have an action performed; return the reply, and the workers that have given it.

        Raises:
            ClusterError: it could not run, or a worker's answer is to another question.
            DamagedWorkerError: workers have made different files.
        """
        name, key = wanted.action.name, wanted.key
        sent = wire.SentAction.of(wanted.action, lambda path: blob_of(wanted.states[str(path)]))

        def wish(share: Share, number: str) -> wire.RunWish:
            return wire.RunWish(
                version=cvimake.__version__,
                image=image_in(wanted.job.record),
                fingerprint=digest.of_value(json.loads(wanted.job.toolchain)),
                action=sent,
                cores=share.cores,
                memory=share.memory,
                topic=members.connection.topic,
                number=number,
                parts=wanted.computed.parts,
                spent=wanted.computed.spent,
                keeps=self._comparison is None,
            )

        def ask(
            *,
            apart: Collection[str] = (),
            begins: Callable[[str], None] = _nothing,
            goes_on: Callable[[], None] = _nothing,
        ) -> tuple[str, Reply]:
            def begin(number: str, worker: Seen) -> None:
                if not apart:
                    self._running[number] = name, wanted.place
                    self._activities.place(name, worker.name)
                begins(worker.name)

            def all_goes_on() -> None:
                wanted.goes_on()
                goes_on()

            attempts = self.attempts(
                all_goes_on,
                members=members,
                name=name,
                share=wanted.job.share,
                urgency=wanted.job.urgency,
                inputs={
                    wanted.states[str(path)][-1]: (path, blob_of(wanted.states[str(path)]))
                    for path in wanted.action.paths()
                },
                key=key if self._comparison is None else "",
                apart=apart,
                wish=wish,
                begins=begin,
            )
            reply = attempts.run()
            if isinstance(reply, wire.ToolFailed) or (isinstance(reply, wire.Done) and reply.key == key):
                return attempts.worker, reply
            raise strange(name)

        if self._comparison:
            return self._comparison.run(members, name, key, ask)
        worker, reply = ask()
        return reply, (worker,)

    def tell(self, told: dict[str, Any]) -> None:
        """Take what a worker tells of a running action; the progress of shards is that of all together."""
        name, place = self._running.get(str(told.get("number")), ("", 0))
        doing, percent = told.get("doing"), told.get("percent")
        if name and isinstance(doing, str) and isinstance(percent, int):
            percents = self._percents[name]
            percents[place] = percent
            self._activities.tell(name, doing, sum(percents.values()) // len(percents))

    def share_out(self, name: str, shards: int) -> None:
        """Expect the progress of so many shards of an action."""
        self._percents[name] = dict.fromkeys(range(shards), 0)


def image_in(record: Path) -> wire.Image:
    """Return the name of the image that a file describes."""
    return cast("wire.Image", record.stem)


def blob_of(state: State) -> Blob:
    """Return the contents of a file."""
    return Blob(sha256=state[-1], size=state[-2])


def strange(name: str) -> ClusterError:
    """Return the error of an answer to another question."""
    return ClusterError(f"{name}: a worker has given an answer to another question", "Start its worker anew.")
