"""A worker's side of a cluster, without the cluster: it answers requests, in any thread."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cvimake
from cvimake.builder.store import Blob, Entry, Store
from cvimake.builder.store.exchange import Exchange, MissingError
from cvimake.cluster import wire
from cvimake.cluster.cache import Cache
from cvimake.cluster.progress import Progress, Tell
from cvimake.core import digest
from cvimake.core.capacity import Capacity, Share
from cvimake.core.content import Contents
from cvimake.core.errors import CvimakeError, DiskError, ToolFailedError
from cvimake.core.key import action_key
from cvimake.core.removal import remove_tree
from cvimake.execution import parts
from cvimake.execution.engine import Engine
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.runtime import Runtime, Runtimes
from cvimake.execution.sandbox import Sandbox

# How often it is looked whether an action is still wanted, in seconds.
_LOOK_EVERY = 0.3
# With fewer bytes free, an action that failed is taken to have failed for that.
_LEAST_FREE = 64 * 1024 * 1024
# Characters of a fingerprint in messages.
_SHORT = 12


class Workplace:
    """Runs the actions that builds send to this machine.

    Args:
        folder: its own; no other worker uses it.
        environment: the variables that cvimake was started with.
        name: of this worker, for messages.
        store: the worker's own view of the store that it shares with the builds.
        cache: bytes of files from the store that it keeps.
        runtimes: the engine and its images; None for those of this machine.

    Raises:
        CvimakeError: no engine answers, or the image cannot be made.
    """

    def __init__(  # noqa: PLR0913 - all that a worker has of its own
        self,
        folder: Path,
        environment: Mapping[str, str],
        name: str,
        store: Store,
        cache: int,
        *,
        runtimes: Runtimes | None = None,
    ) -> None:
        self._environment, self._store, self.name = environment, store, name
        self._runtimes = runtimes or Runtimes(folder, environment)
        self._plain = self._runtimes.plain()
        self._actions = folder / "actions"
        if self._actions.exists():
            # A worker that was killed has left them; its containers wrote there until the engine was reached.
            remove_tree(self._actions)
        self._actions.mkdir(parents=True)
        self._cache = Cache(folder / "files", cache)
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._running = 0

    def capacity(self) -> Capacity:
        """Return what actions may take of this machine."""
        return self._plain.capacity()

    @property
    def running(self) -> int:
        """Return the number of actions that run."""
        return self._running

    def end(self) -> None:
        """End all running actions, and let no other begin."""
        self._ended.set()

    def answer(self, request: str, is_wanted: Callable[[], bool], tell: Tell) -> str:
        """Answer a request; both are JSON.

        Args:
            request: see `cluster/wire.py`.
            is_wanted: tells whether somebody still waits for the answer; if not, the action is ended.
            tell: is called while an action runs.
        """
        return self._answer(request, is_wanted, tell).model_dump_json()

    def _answer(
        self, text: str, is_wanted: Callable[[], bool], tell: Tell
    ) -> (
        wire.Welcome | wire.Identity | wire.Done | wire.ToolFailed | wire.Refused | wire.Missing | wire.Broken
    ):
        other = _other_version(text)
        if other is not None:
            return wire.Refused(
                cause=f"it has cvimake {cvimake.__version__}, and the build has {other}: install the same "
                "version on both"
            )
        try:
            request = wire.read_request(text)
            match request:
                case wire.Greeting():
                    return self._greet(request)
                case wire.IdentityWish():
                    runtime = self._runtimes.recorded_in(wire.RECORDS[request.image])
                    return wire.Identity(identity=dict(runtime.image.identity))
                case wire.RunWish():
                    return self._run(request, is_wanted, tell)
        except MissingError as error:
            return wire.Missing(blob=error.blob)
        except (CvimakeError, OSError, ValueError) as error:
            of_disk = isinstance(error, OSError | DiskError)
            return self._full_disk() if of_disk and self._is_full() else wire.Broken(cause=str(error))

    def _is_full(self) -> bool:
        return shutil.disk_usage(self._actions).free < _LEAST_FREE

    def _full_disk(self) -> wire.Broken:
        return wire.Broken(cause=f"the disk of {self._actions} is full")

    def _greet(self, greeting: wire.Greeting) -> wire.Welcome | wire.Refused:
        image = self._plain.image
        if greeting.recipe != Recipe.from_environment(self._environment).digest():
            return wire.Refused(
                cause="its toolchain image is made from another recipe: give worker and build the same "
                "CVIMAKE_BASE and CVIMAKE_TPU_MLIR_WHEEL"
            )
        if greeting.fingerprint and greeting.fingerprint != image.fingerprint:
            return self._other_toolchain("toolchain", image.fingerprint, greeting.fingerprint)
        probe = self._actions / f"{uuid.uuid4().hex}.probe"
        try:
            Exchange(self._store).take(greeting.probe, probe)
        except (MissingError, CvimakeError) as error:
            reason = "" if isinstance(error, MissingError) else f" ({error})"
            return wire.Refused(
                cause=f"it does not find in its store, {self._store.label}, what the build has just put into "
                f"its own{reason}: set CVIMAKE_STORE to one place that both reach"
            )
        finally:
            probe.unlink(missing_ok=True)
        return wire.Welcome(identity=dict(image.identity), fingerprint=image.fingerprint)

    @staticmethod
    def _other_toolchain(image: str, own: str, wanted: str) -> wire.Refused:
        return wire.Refused(
            cause=f"its {image} image has the fingerprint {own[:_SHORT]}, and the build was planned with "
            f"{wanted[:_SHORT]}: make both images from the same recipe and base, or run "
            f"`./doit forget {image}`, and the build is planned anew"
        )

    def _run(
        self, wish: wire.RunWish, is_wanted: Callable[[], bool], tell: Tell
    ) -> wire.Done | wire.ToolFailed | wire.Refused | wire.Broken:
        runtime = self._runtimes.recorded_in(wire.RECORDS[wish.image])
        if runtime.image.fingerprint != wish.fingerprint:
            return self._other_toolchain(wish.image, runtime.image.fingerprint, wish.fingerprint)
        exchange = Exchange(self._store)
        blobs = [*wish.action.blobs(), *wish.parts.values()]
        with self._counted(), self._folder() as root, self._cache.holding(blobs, exchange):
            action = wish.action.action(self._cache.path, root / "results")
            wanted = action_key(action, wish.fingerprint, lambda path: path.name)
            earlier = {int(number): self._cache.path(blob) for number, blob in wish.parts.items()}
            if earlier:
                parts.lay(root, action.name, wanted, earlier)
            sandbox = self._sandbox(runtime, root)
            log = sandbox.log_path(action)
            started = time.monotonic()
            with self._ended_if_unwanted(sandbox.engine, is_wanted):
                try:
                    of_parts = (lambda _states: wanted) if earlier else None
                    ran = sandbox.run(action, Progress(wish, tell).read, self._share(wish), of_parts)
                except ToolFailedError as error:
                    if self._is_full():
                        return self._full_disk()
                    return _failed(error, _sent_log(exchange, log))
            key = action_key(action, wish.fingerprint, lambda path: str(ran.inputs[str(path)][-1]))
            if key != wanted:
                self._cache.verify(blobs)
                return wire.Broken(cause="its own copy of an input was damaged")
            outputs = {file.name: _blob(file.path, ran.outputs[str(file.path)]) for file in action.outputs}
            for file in action.outputs:
                exchange.put(file.path, outputs[file.name])
            seconds = time.monotonic() - started + wish.spent / wish.cores
            entry = Entry(action=action.name, seconds=seconds, cores=wish.cores, outputs=outputs)
            if wish.keeps:
                exchange.keep(key, entry)
            return wire.Done(key=key, entry=entry, log=_sent_log(exchange, log))

    def _share(self, wish: wire.RunWish) -> Share:
        """Return what an action gets of this machine: of the memory its part, or more if it needs more."""
        capacity = self.capacity()
        if capacity.memory is None:
            return Share(cores=wish.cores, memory=wish.memory)
        part = capacity.memory * min(wish.cores, capacity.cores) // capacity.cores
        return Share(cores=wish.cores, memory=wish.memory, free=max(part, wish.memory))

    def _sandbox(self, runtime: Runtime, root: Path) -> Sandbox:
        """Return a sandbox in a folder of its own, whose commands are ended without ending others."""
        return dataclasses.replace(
            runtime.sandbox, root=root, engine=runtime.sandbox.engine.apart(), contents=Contents()
        )

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._guard:
            self._running += 1
        try:
            yield
        finally:
            with self._guard:
                self._running -= 1

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = self._actions / uuid.uuid4().hex
        (folder / "results").mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_tree(folder)

    @contextlib.contextmanager
    def _ended_if_unwanted(self, engine: Engine, is_wanted: Callable[[], bool]) -> Iterator[None]:
        """End the commands of an engine once nobody waits for them, or the worker ends."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_EVERY):
                if self._ended.is_set() or not is_wanted():
                    engine.cancel()
                    return

        watcher = threading.Thread(target=watch, name="watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _other_version(text: str) -> str | None:
    """Return the version of the build that sent a request, if it is another; its requests may differ too."""
    try:
        sent = json.loads(text)
        version = sent.get("version") if isinstance(sent, dict) else None
    except ValueError:
        return None
    return None if version == cvimake.__version__ else str(version)


def _failed(error: ToolFailedError, log: Blob | None) -> wire.ToolFailed:
    return wire.ToolFailed(
        id=error.id,
        cause=error.cause,
        remedy=error.remedy,
        link=error.link,
        excerpt=error.excerpt,
        log=log,
    )


def _sent_log(exchange: Exchange, log: Path) -> Blob | None:
    """Put a log into the store; a build goes on without it."""
    try:
        blob = _blob(log, digest.of_file(log))
        exchange.put(log, blob)
    except (CvimakeError, OSError):
        return None
    return blob


def _blob(path: Path, sha256: str) -> Blob:
    return Blob(sha256=sha256, size=path.stat().st_size)
