"""Executors: they run actions, in this process's threads or on other machines.

This is the seam between the stages of a project and the place where their tools run. On this side are the
declarations, the checks before an action, and the conclusions after it. On the other side are the action and
the contents of its inputs, and nothing of the project.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cvimake.builder import restore
from cvimake.core.action import Action
from cvimake.core.capacity import Capacity, Share
from cvimake.execution.growth import Growth

if TYPE_CHECKING:
    from cvimake.builder.build import Build
    from cvimake.execution.sandbox import Ran


class Machine(Protocol):
    """The machine, or the machines, that stages run on."""

    def capacity(self) -> Capacity:
        """Return what it has for stages."""

    def cancel(self) -> None:
        """End every running stage, and let no other begin."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """An action that is to run.

    Attributes:
        record: the file that describes the image that it runs in.
        toolchain: the text of this file.
        share: the cores and memory that it gets.
        urgency: seconds of the longest chain of stages that begins with it.
        growth: through which it gets more cores while it runs; an executor need not open it.
    """

    action: Action
    record: Path
    toolchain: str
    share: Share
    urgency: float
    growth: Growth = field(default_factory=Growth)


class Executor(Protocol):
    """Runs actions. Several threads may call its methods.

    Attributes:
        most_at_once: the number of actions that it can run at one time.
        looks_again: seconds after which its capacity may have changed by itself; None if it does not change.
        grows: whether a running action can get more cores.
    """

    most_at_once: int
    looks_again: float | None
    grows: bool

    def ready(self) -> Machine:
        """Prepare for actions, which may take minutes, and return what they run on.

        Raises:
            CvimakeError: no action can run.
        """

    def identity(self, record: Path) -> Mapping[str, Any]:
        """Return the description of an image, which is made if it is not there.

        Args:
            record: the file that the description is meant for.

        Raises:
            CvimakeError: the image cannot be made, or no machine answers.
        """

    def run(self, job: Job) -> Ran:
        """Run an action. Its outputs are then in place, its log too, and the store gets its result.

        Raises:
            ToolFailedError: the tool failed, ran into a limit, or did not write what it should.
            CvimakeError: it could not run.
        """

    def close(self) -> None:
        """Give back everything that it holds: the build has ended."""


class Here:
    """Runs actions with the engine of this process. The calling thread waits for the tool.

    Args:
        build: has the engine, the store and what runs.
    """

    most_at_once = 64
    looks_again: float | None = None
    grows = True

    def __init__(self, build: Build) -> None:
        self._build = build

    def ready(self) -> Machine:
        """See `Executor.ready`."""
        return self._build.runtimes.plain()

    def identity(self, record: Path) -> Mapping[str, Any]:
        """See `Executor.identity`."""
        return self._build.runtimes.recorded_in(record).image.identity

    def run(self, job: Job) -> Ran:
        """See `Executor.run`."""
        build, action = self._build, job.action
        runtime = build.runtimes.recorded_in(job.record)
        runtime.check(json.loads(job.toolchain), job.record)
        started = time.monotonic()
        ran = runtime.sandbox.run(
            action,
            functools.partial(build.activities.read, action.name),
            job.share,
            functools.partial(restore.key_of, action, job.toolchain),
            job.growth,
        )
        key = restore.key_of(action, job.toolchain, ran.inputs)
        restore.keep(build, key, action, time.monotonic() - started, ran.outputs)
        return ran

    def close(self) -> None:
        """See `Executor.close`: the engine goes on."""
