"""Whom the campaign of kills strikes: the build, a container, the tool in it, the engine."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import docker.errors
from docker.models.containers import Container

import docker
from tests.faults.engine import PrivateEngine
from tests.faults.site import containers, until


@dataclass(frozen=True)
class Scene:
    """A running build, and what can be struck around it."""

    process: subprocess.Popen[str]
    client: docker.DockerClient
    engine: PrivateEngine | None
    chance: random.Random


@dataclass(frozen=True, kw_only=True)
class Victim:
    """Somebody to strike.

    Attributes:
        strike: does it; false where there was nothing left to strike.
        exit_codes: with which the build may end where it was struck after its start.
        cleans_up: whether the build itself is there to end its containers.
    """

    strike: Callable[[Scene], bool]
    exit_codes: frozenset[int]
    cleans_up: bool = True


def _signal(number: signal.Signals, *, group: bool = False) -> Callable[[Scene], bool]:
    def strike(scene: Scene) -> bool:
        if scene.process.poll() is not None:
            return False
        if group:
            os.killpg(scene.process.pid, number)
        else:
            scene.process.send_signal(number)
        return True

    return strike


def _container(scene: Scene) -> bool:
    """As `docker kill`, of any container of the build; where none runs, of the next that does."""
    for _ in range(_ATTEMPTS):
        running = _running(scene)
        if running is None:
            return False
        # It may have ended by itself since it was looked for.
        with contextlib.suppress(docker.errors.APIError):
            running.kill()
            return True
    return False


def _tool(scene: Scene) -> bool:
    """Any process in a container: the tool, or one that it started."""
    for _ in range(_ATTEMPTS):
        running = _running(scene)
        if running is None:
            return False
        with contextlib.suppress(docker.errors.APIError, ProcessLookupError):
            processes = [int(row[1]) for row in running.top()["Processes"]]
            os.kill(scene.chance.choice(processes), signal.SIGKILL)
            return True
    return False


def _engine(scene: Scene) -> bool:
    if scene.engine is None or scene.process.poll() is not None:
        return False
    scene.engine.kill()
    return True


_ATTEMPTS = 20


def _running(scene: Scene) -> Container | None:
    """Any running container of the build; None where it ends without one."""
    found: list[Container] = []

    def some_run() -> bool:
        found[:] = [one for one in containers(scene.client, scene.process.pid) if one.status == "running"]
        return bool(found)

    return scene.chance.choice(found) if until(some_run, scene.process) else None


VICTIMS: dict[str, Victim] = {
    "build": Victim(strike=_signal(signal.SIGKILL), exit_codes=frozenset({-9}), cleans_up=False),
    "group": Victim(strike=_signal(signal.SIGKILL, group=True), exit_codes=frozenset({-9}), cleans_up=False),
    "SIGTERM": Victim(strike=_signal(signal.SIGTERM), exit_codes=frozenset({143})),
    "SIGINT": Victim(strike=_signal(signal.SIGINT), exit_codes=frozenset({130})),
    # Some end just as they are struck, and the tool forgives the end of some of its processes.
    "container": Victim(strike=_container, exit_codes=frozenset({0, 1})),
    "tool": Victim(strike=_tool, exit_codes=frozenset({0, 1})),
    # The stages that ran cannot be removed by a build whose engine is gone.
    "engine": Victim(strike=_engine, exit_codes=frozenset({2}), cleans_up=False),
}
# Killing an engine takes one that is nobody else's, and that takes root.
HARMLESS = [name for name in VICTIMS if name != "engine"]
