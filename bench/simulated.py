"""Builds on a simulated cluster: the real client, scheduler and workers of Dask, and tools that sleep."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import measure, project
from cvimake.builder.store.current import STORE_VARIABLE
from cvimake.cluster.address import CLUSTER_VARIABLE

# The slots of a worker, and the most workers in one process: many threads of a process wait for each other's
# turn to run Python, and each process takes time to start.
SLOTS_OF_A_WORKER, _WORKERS_IN_A_PROCESS = 8, 2
_STARTS_WITHIN, _ENDS_WITHIN, _LOOK_EVERY = 120.0, 60.0, 0.1
# A process of workers says this once they have started.
WORKERS_STARTED = "the workers have started"
# Memory is looked at after so many stages.
_LOOK_AFTER = 100


@dataclass(frozen=True)
class Used:
    """The processor time and the memory that a process has used.

    Attributes:
        processor: seconds of processor time.
        memory: the most memory that it has held, in MiB.
    """

    processor: float
    memory: float

    @classmethod
    def by(cls, process: int) -> Used:
        """Return what a running process has used so far."""
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")
        user, system = fields[2].split()[11:13]
        return cls((int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), measure.held(process))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A stage that ran, with the seconds from the start of the command to its beginning and its end."""

    stage: str
    began: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class Built:
    """A build, or the part of it before it was ended.

    Attributes:
        stages: of the models, in the order in which they ended.
        client: what the build's process used while stages ran; its memory, from its start.
        scheduler: the same of Dask's scheduler.
    """

    stages: tuple[Ran, ...]
    client: Used
    scheduler: Used

    @property
    def first(self) -> float:
        """Return the seconds from the start of the command to the beginning of the first stage."""
        return min(ran.began for ran in self.stages)

    @property
    def makespan(self) -> float:
        """Return the seconds from the beginning of the first stage to the end of the last one."""
        return max(ran.ended for ran in self.stages) - self.first

    def each(self, used: Used) -> float:
        """Return the milliseconds of processor time for each stage."""
        return 1000 * used.processor / len(self.stages)

    @property
    def apart(self) -> float:
        """Return the milliseconds between the ends of two stages."""
        ends = [ran.ended for ran in self.stages]
        return 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that can be started.

    Attributes:
        folder: for all that it writes; it need not be there.
        tape: the project that was really built, with its store.
        slots: of all workers together.
        scale: simulated seconds in a second; 0 for stages that take no time.
    """

    folder: Path
    tape: Path
    slots: int
    scale: float

    def build(self, root: Path, most: float = math.inf) -> Built:
        """Build a project from nothing.

        Args:
            root: its folder.
            most: the build is ended after so many stages.

        Raises:
            RuntimeError: the build failed.
        """
        shutil.rmtree(root / "build", ignore_errors=True)
        self.folder.mkdir(parents=True)
        with contextlib.ExitStack() as stack:
            scheduler, address = stack.enter_context(self._scheduler())
            stack.enter_context(self._workers(address))
            built = self._build(root, scheduler, address, most)
        shutil.rmtree(self.folder)
        return built

    def _build(self, root: Path, scheduler: int, address: str, most: float) -> Built:
        variables = {**self._variables(), CLUSTER_VARIABLE: address}
        command = [sys.executable, "-m", "cvimake.cli", "run", "--json"]
        log = self.folder / "client.log"
        lines: list[tuple[float, str]] = []
        used: list[tuple[Used, Used]] = []
        done, started = 0, time.monotonic()
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as client,
        ):
            try:
                # Each line comes when its event happens.
                for line in client.stdout or ():
                    lines.append((time.monotonic() - started, line))
                    is_first = not used and '"event": "started"' in line and ":" in _stage(line)
                    done += '"event": "done"' in line and ":" in _stage(line)
                    if is_first or (done and done % _LOOK_AFTER == 0) or '"event": "finished"' in line:
                        with contextlib.suppress(OSError):
                            used.append((Used.by(client.pid), Used.by(scheduler)))
                    if done >= most:
                        # Its orderly end is not measured.
                        client.kill()
                        break
                client.communicate(timeout=_ENDS_WITHIN)
            except BaseException:
                client.kill()
                raise
        if client.returncode and done < most:
            raise RuntimeError(f"the build failed:\n{log.read_text(encoding='utf-8')[-4000:]}")
        return Built(
            stages=stages([(seconds, json.loads(line)) for seconds, line in lines]),
            client=_between(used[0][0], used[-1][0]),
            scheduler=_between(used[0][1], used[-1][1]),
        )

    def _variables(self) -> dict[str, str]:
        return {
            **os.environ,
            STORE_VARIABLE: str(self.folder / "store"),
            "PYTHONPATH": str(project.CHECKOUT),
            # Each worker would look at its threads a hundred times a second, and at its machine twice, and
            # all are on this one.
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
            "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
        }

    @contextlib.contextmanager
    def _scheduler(self) -> Iterator[tuple[int, str]]:
        """Run a scheduler; yield the number of its process, and its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        dask = str(Path(sys.executable).parent / "dask")
        command = [dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        with self._running("scheduler", command, "Scheduler at:") as process:
            yield process, f"tcp://127.0.0.1:{port}"

    @contextlib.contextmanager
    def _workers(self, address: str) -> Iterator[None]:
        """Run the workers, several in one process."""
        left, number = math.ceil(self.slots / SLOTS_OF_A_WORKER), 0
        with contextlib.ExitStack() as stack:
            while left:
                here = min(left, _WORKERS_IN_A_PROCESS)
                name = f"machine-{number}"
                command = [
                    *(sys.executable, "-m", "bench.sleeping", address, "--name", name),
                    *("--workers", str(here), "--slots", str(SLOTS_OF_A_WORKER), "--scale", str(self.scale)),
                    *("--tape", str(self.tape), "--store", str(self.folder / "store")),
                    *("--folder", str(self.folder / name)),
                ]
                stack.enter_context(self._running(name, command, WORKERS_STARTED))
                left, number = left - here, number + 1
            yield

    @contextlib.contextmanager
    def _running(self, name: str, command: Sequence[str], sign: str) -> Iterator[int]:
        """Run a program from the moment that it prints a sign; yield the number of its process.

        Raises:
            RuntimeError: it does not start.
        """
        log = self.folder / f"{name}.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=self._variables(), stdout=output, stderr=output) as process,
        ):
            try:
                until = time.monotonic() + _STARTS_WITHIN
                while sign not in (text := log.read_text(encoding="utf-8")):
                    if process.poll() is not None or time.monotonic() > until:
                        raise RuntimeError(f"{name} does not start:\n{text}")
                    time.sleep(_LOOK_EVERY)
                yield process.pid
            finally:
                process.kill()


def stages(told: Sequence[tuple[float, Mapping[str, object]]]) -> tuple[Ran, ...]:
    """Return the stages of models that have ended.

    Args:
        told: the events of the build, each with the seconds after its beginning.
    """
    began: dict[str, float] = {}
    found = []
    for seconds, event in told:
        stage = str(event.get("stage"))
        if event["event"] == "started":
            began[stage] = seconds
        elif event["event"] == "done" and ":" in stage:
            found.append(Ran(stage=stage, began=began[stage], ended=seconds))
    return tuple(found)


def _stage(line: str) -> str:
    return str(json.loads(line).get("stage"))


def _between(first: Used, last: Used) -> Used:
    return Used(last.processor - first.processor, last.memory)
