"""Commands in Docker containers, through the Docker SDK."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions
from docker.models.containers import Container
from docker.types import Ulimit

import docker
from cvimake.core import announce, process
from cvimake.core.action import Ending
from cvimake.core.capacity import Capacity
from cvimake.core.errors import EngineError
from cvimake.core.resources import docker_folder
from cvimake.execution.engine import NOBODY, Command, Log, connection
from cvimake.execution.engine.files import Archives, BindMounts, Files
from cvimake.execution.engine.watch import Usage, watched

# The label of every container; its value is the number of the process that waits for the container.
LABEL = "cvimake"
HOST_NAME = "cvimake"
# The platform that the toolchain is compiled for, as Docker writes it.
PLATFORM = "linux/amd64"
# How files get to an engine whose address does not tell whether it sees ours: `mount` or `archive`.
FILES_VARIABLE = "CVIMAKE_FILES"
_WAYS: dict[str, type[Files]] = {"mount": BindMounts, "archive": Archives}
_TMPFS = {"/tmp": "rw,nosuid,nodev,noexec,size=1g,mode=1777"}  # noqa: S108 - the container's own


class DockerEngine:
    """An engine over a connected client.

    Args:
        client: connected; see `engine.connection`.
        environment: the variables that cvimake was started with.
        seccomp: the profile's file; by default the project's own.
    """

    def __init__(
        self, client: docker.DockerClient, environment: Mapping[str, str], seccomp: Path | None = None
    ) -> None:
        self.client, self._variables = client, environment
        self._seccomp_file = seccomp or docker_folder() / "seccomp.json"
        self.seccomp = self._seccomp_file.read_text(encoding="utf-8")
        try:
            facts = client.info()
            self._sweep()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineError(f"the Docker engine does not answer as it should: {error}") from error
        options = facts.get("SecurityOptions") or []
        self._rootless = any("name=rootless" in option for option in options)
        self._remapped = any("name=userns" in option for option in options)
        self._capacity = Capacity.of_machine(int(facts.get("NCPU") or 1), int(facts.get("MemTotal") or 0))
        architecture = str(facts.get("Architecture") or "")
        self.platform = None if architecture in {"", "x86_64", "amd64"} else PLATFORM
        if self.platform:
            announce.note(f"the engine's machine is {architecture}: stages are emulated, many times slower")
        self.files = _way_of_files(environment)()
        self._guard = threading.Lock()
        self._running: set[Container] = set()
        self._cancelled = False

    @property
    def user(self) -> tuple[int, int]:
        """Return the caller, or `nobody` for root. In a rootless engine, user 0 is the caller."""
        if self._rootless:
            return (0, 0)
        return (os.geteuid(), os.getegid()) if os.geteuid() != 0 else NOBODY

    def capacity(self) -> Capacity:
        """See `Engine.capacity`."""
        return self._capacity

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        with self._guard:
            self._cancelled = True
            running = list(self._running)
        for container in running:
            kill(container)

    def apart(self) -> DockerEngine:
        """See `Engine.apart`."""
        return DockerEngine(self.client, self._variables, self._seccomp_file)

    @property
    def is_cancelled(self) -> bool:
        """Tell whether no command may begin any more."""
        return self._cancelled

    def run(self, command: Command, log: Log) -> Ending:
        """See `Engine.run`."""
        with self.telling(command.name):
            return self._run(command, log)

    @staticmethod
    @contextlib.contextmanager
    def telling(name: str) -> Iterator[None]:
        """Turn the errors of Docker's package into errors that name the action.

        Raises:
            EngineError: in the place of each of them.
        """
        try:
            yield
        except docker.errors.DockerException as error:
            if "bind source path does not exist" in str(error):
                raise EngineError(
                    f"{name}: the Docker engine does not see this machine's files",
                    f"Send them as archives: {FILES_VARIABLE}=archive ./doit",
                ) from error
            raise EngineError(f"{name}: Docker cannot run it: {error}") from error
        except requests.exceptions.RequestException as error:
            raise EngineError(
                f"{name}: the Docker engine stopped answering: {error}", "`./doit doctor` looks at it."
            ) from error

    def _run(self, command: Command, log: Log) -> Ending:
        container = self.client.containers.create(command.image, **self.settings(command))
        try:
            with self._guard:
                if self._cancelled:
                    raise EngineError(f"{command.name}: cancelled")
                self._running.add(container)
            self.files.send(command, container)
            # Attached before the start, so that nothing it prints is missed.
            output = container.attach(stream=True, stdout=True, stderr=True)
            try:
                container.start()
                if self._cancelled:
                    # `cancel` came before the start, when there was nothing to kill yet.
                    kill(container)
                with (
                    watched(
                        command.limits,
                        lambda: self.look(command, container),
                        lambda: kill(container),
                        self.files.seconds_between_looks,
                    ) as watch,
                    command.growth.told(command.limits, self.files.seen_folder(command)),
                ):
                    for chunk in output:
                        log.write(chunk)
                    exit_code = int(container.wait()["StatusCode"])
            finally:
                # close() would only shut the socket down and leave the response to the garbage collector.
                output._response.close()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
            if self._cancelled:
                raise EngineError(f"{command.name}: cancelled")
            state = self.client.api.inspect_container(str(container.id))["State"]
            if exit_code == 0:
                self.files.fetch(command, container)
            return Ending(
                exit_code=exit_code,
                out_of_memory=bool(state["OOMKilled"]),
                timed_out=watch.timed_out,
                overfull=watch.overfull,
            )
        finally:
            if command.parts:
                # They are worth something only if the command did not end well, and then anything can fail.
                with contextlib.suppress(
                    docker.errors.DockerException, requests.exceptions.RequestException, OSError
                ):
                    self.files.fetch_parts(command, container)
            remove(container)
            with self._guard:
                self._running.discard(container)

    def look(self, command: Command, container: Container) -> Usage | None:
        """Return how much room a command's files take; None where the engine does not tell."""
        try:
            return self.files.look(command, container)
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return None

    def settings(self, command: Command) -> dict[str, Any]:
        """Return the container's settings for the SDK; `by_hand` has the same for `docker run`."""
        return {
            "command": list(command.argv),
            "entrypoint": [],
            "environment": dict(command.environment),
            "mounts": self.files.mounts(command),
            "platform": self.platform,
            "working_dir": command.working_directory,
            "user": f"{command.user[0]}:{command.user[1]}",
            "hostname": HOST_NAME,
            "network_mode": "none",
            "userns_mode": "host" if self._remapped else None,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges", f"seccomp={self.seccomp}"],
            "read_only": True,
            "tmpfs": _TMPFS,
            "mem_limit": command.limits.memory,
            "memswap_limit": command.limits.memory,
            "pids_limit": command.limits.processes,
            "ulimits": [
                Ulimit(name="core", soft=0, hard=0),
                # The limit of one file. With it no file can outgrow the limit of all files between two looks.
                Ulimit(name="fsize", soft=command.limits.workspace, hard=command.limits.workspace),
            ],
            # The output is read as it comes, so the engine need not keep a copy.
            "log_config": {"Type": "none"},
            "labels": {
                LABEL: str(os.getpid()),
                f"{LABEL}.action": command.name,
                f"{LABEL}.processes": process.space(),
            },
            "detach": True,
            # A stage has no network, and needs to know nothing of the user's proxies.
            "use_config_proxy": False,
        }

    def removal(self, image: str) -> str:
        """See `Engine.removal`."""
        return f"docker rmi --force {image}"

    def by_hand(self, command: Command, workspace: str) -> str:
        """See `Engine.by_hand`."""
        arguments = [
            *(("--platform", self.platform) if self.platform else ()),
            *("--network", "none", "--hostname", HOST_NAME),
            *(("--userns", "host") if self._remapped else ()),
            *("--user", f"{command.user[0]}:{command.user[1]}", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--security-opt", f"seccomp={self._seccomp_file}"),
            "--read-only",
            *(part for path, options in _TMPFS.items() for part in ("--tmpfs", f"{path}:{options}")),
            *("--memory", str(command.limits.memory), "--memory-swap", str(command.limits.memory)),
            *("--pids-limit", str(command.limits.processes), "--ulimit", "core=0"),
            *("--ulimit", f"fsize={command.limits.workspace}"),
            *(part for name, value in command.environment.items() for part in ("--env", f"{name}={value}")),
        ]
        return self.files.by_hand(command, shlex.join(arguments), workspace)

    def _sweep(self) -> None:
        """Remove the containers of processes that were killed and could not do it themselves."""
        # While they are listed, another process may remove one of them.
        for container in self.client.containers.list(
            all=True, ignore_removed=True, filters={"label": f"{LABEL}.processes={process.space()}"}
        ):
            waiting = container.labels.get(LABEL, "")
            if waiting.isdigit() and not process.started(int(waiting)):
                remove(container)


def kill(container: Container) -> None:
    """End a container; one that has ended already stays as it is."""
    try:
        container.kill()
    except docker.errors.APIError:
        # It has ended by itself in the meantime.
        return


def remove(container: Container) -> None:
    """Remove a container, running or not."""
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # The engine is removing it already.
        if error.status_code != 409:  # noqa: PLR2004 - HTTP's "conflict"
            raise


def _way_of_files(environment: Mapping[str, str]) -> type[Files]:
    """Return the way in which files get to the engine.

    Raises:
        EngineError: the user asks for a way that does not exist.
    """
    if wanted := environment.get(FILES_VARIABLE):
        if wanted not in _WAYS:
            raise EngineError(f"{FILES_VARIABLE} is {wanted!r}; it can be {' or '.join(_WAYS)}")
        return _WAYS[wanted]
    return BindMounts if connection.sees_our_files(environment) else Archives
