"""Commands in Docker containers, through the Docker SDK."""

from __future__ import annotations

import csv
import io
import os
import shlex
import threading
from pathlib import Path
from typing import Any, BinaryIO

import docker.errors
import requests.exceptions
from docker.models.containers import Container
from docker.types import Mount as DockerMount
from docker.types import Ulimit

import docker
from cvimake.engine import Command, Mount, Outcome
from cvimake.errors import EngineError
from cvimake.resources import docker_folder

# Every container carries it; its value is the process that waits for the container.
LABEL = "cvimake"
HOST_NAME = "cvimake"
# Who runs the commands when cvimake itself is run by root.
NOBODY = (65534, 65534)
# Some steps print a line for each layer and comparison; nothing sane prints more than this.
LOG_LIMIT = 256 * 1024 * 1024
_TMPFS = {"/tmp": "rw,nosuid,nodev,noexec,size=1g,mode=1777"}  # noqa: S108 - the container's own


class DockerEngine:
    """An engine over a connected client.

    Args:
        client: connected; see `engine.connection`.
        seccomp: the profile's file; by default the project's own.
    """

    def __init__(self, client: docker.DockerClient, seccomp: Path | None = None) -> None:
        self.client = client
        self._seccomp_file = seccomp or docker_folder() / "seccomp.json"
        self._seccomp = self._seccomp_file.read_text(encoding="utf-8")
        try:
            options = client.info().get("SecurityOptions") or []
            self._sweep()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise EngineError(f"the Docker engine does not answer as it should: {error}") from error
        self._rootless = any("name=rootless" in option for option in options)
        self._remapped = any("name=userns" in option for option in options)

    @property
    def user(self) -> tuple[int, int]:
        """The caller; `nobody` for root. A rootless engine's uid 0 is the caller, unprivileged outside."""
        if self._rootless:
            return (0, 0)
        return (os.geteuid(), os.getegid()) if os.geteuid() != 0 else NOBODY

    def run(self, command: Command, log: BinaryIO) -> Outcome:
        """See `Engine.run`."""
        try:
            return self._run(command, log)
        except docker.errors.DockerException as error:
            raise EngineError(f"{command.name}: Docker cannot run it: {error}") from error
        except requests.exceptions.RequestException as error:
            raise EngineError(
                f"{command.name}: the Docker engine stopped answering: {error}",
                "`./doit doctor` looks at it.",
            ) from error

    def _run(self, command: Command, log: BinaryIO) -> Outcome:
        container = self.client.containers.create(command.image, **self._settings(command))
        try:
            timed_out = threading.Event()

            def stop() -> None:
                timed_out.set()
                _kill(container)

            timer = threading.Timer(command.limits.seconds, stop)
            timer.daemon = True
            # Attached before the start, so that nothing it prints is missed.
            output = container.attach(stream=True, stdout=True, stderr=True)
            try:
                container.start()
                timer.start()
                _copy(output, log)
                exit_code = int(container.wait()["StatusCode"])
            finally:
                timer.cancel()
                # close() would only shut the socket down and leave the response to the garbage collector.
                output._response.close()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
            state = self.client.api.inspect_container(str(container.id))["State"]
            return Outcome(
                exit_code=exit_code, out_of_memory=bool(state["OOMKilled"]), timed_out=timed_out.is_set()
            )
        finally:
            _remove(container)

    def _settings(self, command: Command) -> dict[str, Any]:
        """The container, as the SDK wants it. `by_hand` says the same as arguments of `docker run`."""
        return {
            "command": list(command.argv),
            "entrypoint": [],
            "environment": dict(command.environment),
            "mounts": [
                DockerMount(
                    target=mount.target, source=str(mount.source), type="bind", read_only=mount.read_only
                )
                for mount in command.mounts
            ],
            "working_dir": command.working_directory,
            "user": f"{command.user[0]}:{command.user[1]}",
            "hostname": HOST_NAME,
            "network_mode": "none",
            "userns_mode": "host" if self._remapped else None,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges", f"seccomp={self._seccomp}"],
            "read_only": True,
            "tmpfs": _TMPFS,
            "mem_limit": command.limits.memory,
            "memswap_limit": command.limits.memory,
            "pids_limit": command.limits.processes,
            "ulimits": [Ulimit(name="core", soft=0, hard=0)],
            # The output is read as it comes; the engine need not keep a copy of its own.
            "log_config": {"Type": "none"},
            "labels": {
                LABEL: str(os.getpid()),
                f"{LABEL}.step": command.name,
                f"{LABEL}.processes": _process_space(),
            },
            "detach": True,
            # The user's proxies are no business of a step without a network.
            "use_config_proxy": False,
        }

    def by_hand(self, command: Command, workspace: str) -> str:
        """See `Engine.by_hand`."""
        arguments = [
            *("docker", "run", "--rm", "--network", "none", "--hostname", HOST_NAME),
            *(("--userns", "host") if self._remapped else ()),
            *("--user", f"{command.user[0]}:{command.user[1]}", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--security-opt", f"seccomp={self._seccomp_file}"),
            "--read-only",
            *(part for path, options in _TMPFS.items() for part in ("--tmpfs", f"{path}:{options}")),
            *("--memory", str(command.limits.memory), "--memory-swap", str(command.limits.memory)),
            *("--pids-limit", str(command.limits.processes), "--ulimit", "core=0"),
            *(part for name, value in command.environment.items() for part in ("--env", f"{name}={value}")),
        ]
        words = [shlex.quote(argument) for argument in arguments]
        for mount in command.mounts:
            if mount.target == command.working_directory:
                words += ["--mount", f'"type=bind,src={workspace},dst={mount.target}"']
            else:
                words += ["--mount", shlex.quote(_mount_text(mount))]
        words += ["--workdir", command.working_directory, "--entrypoint", "''", command.image]
        return " ".join([*words, shlex.join(command.argv)])

    def _sweep(self) -> None:
        """Removes containers whose process is gone: it was killed and could not do it itself."""
        try:
            for container in self.client.containers.list(
                all=True, filters={"label": f"{LABEL}.processes={_process_space()}"}
            ):
                process = container.labels.get(LABEL, "")
                if process.isdigit() and not _is_alive(int(process)):
                    _remove(container)
        except docker.errors.NotFound:
            # Another process swept it in between.
            return


def _process_space() -> str:
    """What a process number is unique in: this machine since its start, and this container of it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _copy(output: Any, log: BinaryIO) -> None:  # noqa: ANN401 - the SDK's stream has no public type
    left = LOG_LIMIT
    for chunk in output:
        if left > 0:
            log.write(chunk[:left])
            log.flush()
            left -= len(chunk)
            if left <= 0:
                log.write(f"\ncvimake: more than {LOG_LIMIT} bytes; the rest is left out\n".encode())


def _kill(container: Container) -> None:
    try:
        container.kill()
    except docker.errors.APIError:
        # It ended by itself in the meantime.
        return


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # The engine is already at it.
        if error.status_code != 409:  # noqa: PLR2004 - HTTP's "conflict"
            raise


def _mount_text(mount: Mount) -> str:
    """A value of `--mount`, which is a line of comma-separated values."""
    fields = ["type=bind", f"src={mount.source}", f"dst={mount.target}"]
    if mount.read_only:
        fields.append("readonly")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()
