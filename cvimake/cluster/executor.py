"""The executor that runs actions on the workers of a cluster."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cvimake
from cvimake.builder import restore
from cvimake.builder.build import Build
from cvimake.builder.executor import Job, Machine
from cvimake.builder.restore import Found
from cvimake.builder.store import Blob, Entry
from cvimake.builder.store.exchange import MissingError, UnreachableError
from cvimake.cluster import wire
from cvimake.cluster.address import ClusterError
from cvimake.cluster.comparison import Ask, Comparison, GivenUpError, Reply
from cvimake.cluster.fleet import Seen
from cvimake.core import announce, digest
from cvimake.core.capacity import Capacity, Share
from cvimake.core.content import State
from cvimake.core.errors import CvimakeError, ToolFailedError
from cvimake.core.paths import TOOLCHAIN
from cvimake.execution import logs
from cvimake.execution.failures import disk_errors
from cvimake.execution.sandbox import Ran

# Dask is slow to import, and only needed where something runs.
if TYPE_CHECKING:
    from cvimake.cluster.attempts import Attempts
    from cvimake.cluster.membership import Members


def _nothing(*_ignored: object) -> None:
    """Do nothing."""


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

    def __init__(
        self, build: Build, address: str, prepare: Callable[[], None], compared: float = 0.0
    ) -> None:
        self._build, self._address, self._prepare = build, address, prepare
        self._comparison = Comparison(compared) if compared else None
        self._guard = threading.Lock()
        self._members: Members | None = None
        self._cancelled = threading.Event()
        # The names of the running actions, by the number of each attempt.
        self._names: dict[str, str] = {}

    def ready(self) -> Machine:
        """See `Executor.ready`."""
        self._connected(_recorded(self._build.root / TOOLCHAIN))
        return self

    def identity(self, record: Path) -> Mapping[str, Any]:
        """See `Executor.identity`."""
        if record == TOOLCHAIN:
            # The build is planned anew, so the workers need only agree with each other.
            return self._connected("").identity
        wish = wire.IdentityWish(version=cvimake.__version__, image=_image(record))
        reply = self._attempts(
            members=self._connected(_recorded(self._build.root / TOOLCHAIN)),
            name=record.stem,
            wish=lambda _share, _number: wish,
            begins=lambda _number, _worker: None,
        ).run()
        if not isinstance(reply, wire.Identity):
            raise _strange(record.stem)
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
            key = restore.key_of(action, job.toolchain, states)
            ask = self._asking(
                members,
                job,
                key,
                wire.SentAction.of(action, lambda path: _blob(states[str(path)])),
                {state[-1]: (Path(path), _blob(state)) for path, state in states.items()},
            )
            if self._comparison:
                reply, workers = self._comparison.run(members, action.name, key, ask)
                build.activities.place(action.name, ", compared with ".join(workers))
            else:
                reply = ask()[1]
            if isinstance(reply, wire.ToolFailed):
                raise _as_error(reply, self._take_log(members, action.name, reply.log, ""))
            self._take_outputs(members, job, key, reply.entry, states)
            self._take_log(members, action.name, reply.log, key)
        entry = reply.entry
        outputs = {str(file.path): entry.outputs[file.name].sha256 for file in action.outputs}
        return Ran(inputs=states, outputs=outputs, seconds=entry.seconds, cores=entry.cores)

    def capacity(self) -> Capacity:
        """See `Machine.capacity`."""
        return self._connected("").fleet.capacity()

    def cancel(self) -> None:
        """See `Machine.cancel`: the workers end what nobody waits for."""
        self._cancelled.set()
        if self._members:
            self._members.exchange.end()

    def close(self) -> None:
        """See `Executor.close`."""
        self._cancelled.set()
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

                self._members = Members(self._build, self._address, planned, self._tell)
            return self._members

    def _asking(
        self,
        members: Members,
        job: Job,
        key: str,
        action: wire.SentAction,
        inputs: Mapping[str, tuple[Path, Blob]],
    ) -> Ask:
        """Return the function that has an action run on a worker.

        Args:
            members: the workers.
            job: that the action belongs to.
            key: of its result.
            action: the action.
            inputs: its inputs and their contents, by sha256.
        """

        def wish(share: Share, number: str) -> wire.RunWish:
            return wire.RunWish(
                version=cvimake.__version__,
                image=_image(job.record),
                fingerprint=digest.of_value(json.loads(job.toolchain)),
                action=action,
                cores=share.cores,
                memory=share.memory,
                topic=members.connection.topic,
                number=number,
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
                    self._names[number] = action.name
                    self._build.activities.place(action.name, worker.name)
                begins(worker.name)

            attempts = self._attempts(
                goes_on=goes_on,
                members=members,
                name=action.name,
                share=job.share,
                urgency=job.urgency,
                inputs=inputs,
                key=key if self._comparison is None else "",
                apart=apart,
                wish=wish,
                begins=begin,
            )
            reply = attempts.run()
            if isinstance(reply, wire.ToolFailed) or (isinstance(reply, wire.Done) and reply.key == key):
                return attempts.worker, reply
            raise _strange(action.name)

        return ask

    def _attempts(self, goes_on: Callable[[], None] = _nothing, **values: Any) -> Attempts:  # noqa: ANN401 - those of `Attempts`
        from cvimake.cluster.attempts import Attempts  # noqa: PLC0415 - slow to import, as above

        def all_goes_on() -> None:
            if self._cancelled.is_set():
                raise GivenUpError("cancelled")
            goes_on()

        return Attempts(goes_on=all_goes_on, **values)

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

    def _tell(self, told: dict[str, Any]) -> None:
        """Take what a worker tells of a running action."""
        name = self._names.get(str(told.get("number")))
        doing, percent = told.get("doing"), told.get("percent")
        if name and isinstance(doing, str) and isinstance(percent, int):
            self._build.activities.tell(name, doing, percent)


def _image(record: Path) -> wire.Image:
    return cast("wire.Image", record.stem)


def _recorded(record: Path) -> str:
    """Return the fingerprint of a record of an image; empty if there is none."""
    try:
        return digest.of_value(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ""


def _blob(state: State) -> Blob:
    return Blob(sha256=state[-1], size=state[-2])


def _as_error(failed: wire.ToolFailed, log: Path) -> ToolFailedError:
    return ToolFailedError(
        failed.cause,
        failed.remedy,
        log=log,
        known="" if failed.id == ToolFailedError.id else failed.id,
        link=failed.link,
        excerpt=failed.excerpt,
    )


def _strange(name: str) -> ClusterError:
    return ClusterError(f"{name}: a worker has given an answer to another question", "Start its worker anew.")
