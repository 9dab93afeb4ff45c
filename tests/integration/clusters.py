"""A cluster on the loopback: a scheduler and workers as processes, each worker with a folder of its own."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lab import EXAMPLE, HANGS_AFTER, ROOT, environment

import docker
from cvimake.execution.engine.docker import LABEL

_BIN = Path(sys.executable).parent


class Cluster:
    """A scheduler and workers, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._builds: list[subprocess.Popen[str]] = []
        # The processes of all workers that there have been.
        self.processes: list[int] = []

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def variables(self, **more: str) -> dict[str, str]:
        return {**environment(), "CVIMAKE_STORE": str(self.store), **more}

    def start_scheduler(self) -> None:
        port = self.address.rpartition(":")[2]
        command = [_BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        self.scheduler = self._started("scheduler", [*map(str, command)], self.variables())
        self._await("scheduler", self.scheduler, "Scheduler at:")

    def start_worker(self, name: str, program: Sequence[str] = ("-m", "cvimake.cli"), **more: str) -> None:
        command = [sys.executable, *program, "worker", self.address, "--name", name]
        command += ["--folder", str(self.folder / name)]
        self.workers[name] = process = self._started(name, command, self.variables(**more))
        self.processes.append(process.pid)

    def await_workers(self) -> None:
        for name, process in self.workers.items():
            self._await(name, process, "takes actions")

    def kill_worker(self, name: str) -> None:
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = None

    def project(self, name: str) -> Path:
        """Return a new project with the example."""
        folder = self.folder / name
        for part in ("models", "datasets"):
            shutil.copytree(EXAMPLE / part, folder / part)
        shutil.copy(ROOT / "dodo.py", folder)
        return folder

    def build(self, project: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Begin a build of a project that uses the cluster."""
        return self.command(project, *arguments, CVIMAKE_CLUSTER=self.address, **more)

    def command(self, project: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Begin a command of cvimake in a project."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cvimake.cli", *arguments],
            cwd=project, env=self.variables(**variables),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._builds.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def containers(self) -> list[str]:
        """Return the containers of all workers that there have been."""
        with contextlib.closing(docker.from_env()) as client:
            found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
            return [str(each.name) for each in found if each.labels[LABEL] in map(str, self.processes)]

    def end(self) -> None:
        for process in [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()
        for build in self._builds:
            with build:
                build.kill()

    def _started(
        self, name: str, command: list[str], variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, env=variables, stdout=log, stderr=log, cwd=self.folder)

    def _await(self, name: str, process: subprocess.Popen[bytes], sign: str) -> None:
        end = time.monotonic() + HANGS_AFTER
        while sign not in self.log(name):
            assert process.poll() is None, self.log(name)
            assert time.monotonic() < end, f"{name} does not start: {self.log(name)}"
            time.sleep(0.1)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster with a scheduler, and without workers."""
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler()
        yield cluster
    finally:
        cluster.end()


def drained(cluster: Cluster) -> list[int]:
    """End all workers as an administrator does, and return their exit codes."""
    for process in cluster.workers.values():
        process.send_signal(signal.SIGTERM)
    return [process.wait(timeout=HANGS_AFTER) for process in cluster.workers.values()]
