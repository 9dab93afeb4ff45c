"""The executor that runs actions on the workers of a cluster."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cvimake
from cvimake.builder import restore
from cvimake.builder.build import Build
from cvimake.builder.executor import Job, Machine
from cvimake.builder.restore import Found
from cvimake.builder.store import Blob, Entry
from cvimake.builder.store.exchange import MissingError, UnreachableError
from cvimake.cluster import wire
from cvimake.cluster.performing import Performer, Wanted, image_in, strange
from cvimake.cluster.shards import Computed, Shard, all_at_once, computed, has_all, shared_out
from cvimake.core import announce, digest, listing
from cvimake.core.capacity import Capacity
from cvimake.core.content import State
from cvimake.core.errors import CvimakeError, ToolFailedError
from cvimake.core.paths import TOOLCHAIN
from cvimake.execution import logs
from cvimake.execution.failures import disk_errors
from cvimake.execution.sandbox import Ran

# Dask is slow to import, and only needed where something runs.
if TYPE_CHECKING:
    from cvimake.cluster.membership import Members


class ClusterExecutor:
    """Runs actions on the workers of a cluster; see `builder/executor.py`.

    Inputs are put into the store by their contents, and outputs are taken from there. Nothing is reached
    before the first action.

    Args:
        build: has the store, what runs, and what is known of files.
        address: of the scheduler; see `cluster/address.py`.
        prepare: is called before Dask is imported. Raises CvimakeError if it cannot be.
        compared: the share of the actions that run on two workers; see `cluster/comparison.py`.
    """

    # No cluster of ours has more slots; each takes a thread here, which waits.
    most_at_once = 1024
    looks_again: float | None = 1.0
    grows = False

    def __init__(
        self, build: Build, address: str, prepare: Callable[[], None], compared: float = 0.0
    ) -> None:
        self._build, self._address, self._prepare = build, address, prepare
        self._performer = Performer(build, compared)
        self._guard = threading.Lock()
        self._members: Members | None = None

    def ready(self) -> Machine:
        """See `Executor.ready`."""
        self._connected(_recorded(self._build.root / TOOLCHAIN))
        return self

    def identity(self, record: Path) -> Mapping[str, Any]:
        """See `Executor.identity`."""
        if record == TOOLCHAIN:
            # The build is planned anew, so the workers need only agree with each other.
            return self._connected("").identity
        wish = wire.IdentityWish(version=cvimake.__version__, image=image_in(record))
        reply = self._performer.attempts(
            members=self._connected(_recorded(self._build.root / TOOLCHAIN)),
            name=record.stem,
            wish=lambda _share, _number: wish,
            begins=lambda _number, _worker: None,
        ).run()
        if not isinstance(reply, wire.Identity):
            raise strange(record.stem)
        return reply.identity

    def run(self, job: Job) -> Ran:
        """See `Executor.run`."""
        build, action = self._build, job.action
        members = self._connected(_recorded(build.root / TOOLCHAIN))
        with disk_errors(action.name, build.root):
            for path in action.paths():
                if not (build.root / path).is_file():
                    raise CvimakeError(f"{action.name}: its input {path} is missing")
            states = {str(path): build.contents.state(str(path)) for path in action.paths()}
            in_shards = self._in_shards(members, job, states)
            wanted = Wanted(job=job, action=action, states=states, computed=in_shards)
            reply, workers = self._performer.perform(members, wanted)
            self._build.activities.place(action.name, _where(in_shards, workers))
            if isinstance(reply, wire.ToolFailed):
                raise _as_error(reply, self._take_log(members, action.name, reply.log, ""))
            self._take_outputs(members, job, wanted.key, reply.entry, states)
            self._take_log(members, action.name, reply.log, wanted.key)
        entry = reply.entry
        outputs = {str(file.path): entry.outputs[file.name].sha256 for file in action.outputs}
        return Ran(inputs=states, outputs=outputs, seconds=entry.seconds, cores=entry.cores)

    def capacity(self) -> Capacity:
        """See `Machine.capacity`."""
        return self._connected("").fleet.capacity()

    def cancel(self) -> None:
        """See `Machine.cancel`: the workers end what nobody waits for."""
        self._performer.cancel()
        if self._members:
            self._members.exchange.end()

    def close(self) -> None:
        """See `Executor.close`."""
        self._performer.cancel()
        if self._members:
            self._members.close()

    def _connected(self, planned: str) -> Members:
        """Return the workers; they are reached when this is first called.

        Args:
            planned: see `Members`.
        """
        with self._guard:
            if self._members is None:
                self._prepare()
                from cvimake.cluster.membership import Members  # noqa: PLC0415 - slow to import, as above

                tell = self._performer.tell
                self._members = Members(self._build, self._address, planned, tell)
            return self._members

    def _in_shards(self, members: Members, job: Job, states: Mapping[str, State]) -> Computed:
        """Have the parts of an action's work done by all workers that have room, if it can be shared out.

        Raises:
            CvimakeError: a shard could not run.
            ToolFailedError: the tool failed.
        """
        shards = shared_out(job.action, members.fleet.idle())
        if not shards:
            return Computed()
        self._performer.share_out(job.action.name, len(shards))

        def run(
            place: int, shard: Shard, goes_on: Callable[[], None]
        ) -> tuple[Shard, Entry, tuple[str, ...]]:
            wanted = Wanted(job=job, action=shard.action, states=states, place=place, goes_on=goes_on)
            # A build that was killed may have left it.
            entry = members.store.find(wanted.key)
            if entry and has_all(shard, entry) and all(map(members.exchange.holds, entry.outputs.values())):
                return shard, entry, ()
            reply, workers = self._performer.perform(members, wanted)
            if isinstance(reply, wire.ToolFailed):
                raise _as_error(reply, self._take_log(members, job.action.name, reply.log, ""))
            return shard, reply.entry, workers

        found = computed(all_at_once(shards, run))
        self._performer.share_out(job.action.name, 1)
        return found

    def _take_outputs(
        self, members: Members, job: Job, key: str, entry: Entry, states: Mapping[str, State]
    ) -> None:
        """Publish the outputs of an action that a worker has put into the store.

        Raises:
            UnreachableError: they cannot be taken from there.
        """
        if not restore.take(self._build, job.action, Found(key, entry, states)):
            raise UnreachableError(
                f"{job.action.name}: its outputs cannot be taken from the store {members.store.label}",
                "Start again: they are looked for there once more.",
            )

    def _take_log(self, members: Members, name: str, log: Blob | None, key: str) -> Path:
        """Put the log of a worker in its place, and return its path. If it is lost, a note stands there."""
        root = self._build.root
        with tempfile.TemporaryDirectory(dir=root / "build") as folder:
            taken: Path | None = None
            if log is not None:
                taken = Path(folder) / "log"
                try:
                    members.exchange.take(log, taken)
                except (MissingError, CvimakeError) as error:
                    announce.note(f"warning: {name}: its log cannot be taken from the store: {error}")
                    taken = None
            return logs.write_of_worker(root, name, taken, f"key {key}" if key else "it has failed")


def _recorded(record: Path) -> str:
    """Return the fingerprint of a record of an image; empty if there is none."""
    try:
        return digest.of_value(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ""


def _where(shards: Computed, workers: Sequence[str]) -> str:
    """Return where an action has run, for people: its shards, then the run that has put them together."""
    if not shards.parts:
        return ", compared with ".join(workers)
    return listing.every(dict.fromkeys((*shards.workers, *workers)))


def _as_error(failed: wire.ToolFailed, log: Path) -> ToolFailedError:
    return ToolFailedError(
        failed.cause,
        failed.remedy,
        log=log,
        known="" if failed.id == ToolFailedError.id else failed.id,
        link=failed.link,
        excerpt=failed.excerpt,
    )
