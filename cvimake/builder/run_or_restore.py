"""The one way from a stage to its outputs: they come from the store, or its tool runs."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.exceptions import BaseFail

from cvimake.builder import checks, outcomes, restore
from cvimake.builder.build import Build
from cvimake.builder.content_checker import INPUTS, OUTPUTS
from cvimake.builder.executor import Job
from cvimake.builder.held import Held
from cvimake.builder.records import CORES, RESTORED, SECONDS
from cvimake.builder.task_failure import failure_of
from cvimake.builder.task_meta import Restore
from cvimake.core.capacity import ONE_CORE
from cvimake.core.content import State, is_known, unchanged
from cvimake.core.errors import CvimakeError
from cvimake.execution import parts
from cvimake.execution.failures import disk_errors
from cvimake.execution.sandbox import Ran
from cvimake.pipeline.stage import Stage


class RunOrRestore:
    """The work of a stage's task.

    The runner calls `look_up` first. If the store has the outputs, it calls the function that `look_up`
    returns; otherwise it calls `run` when the machine has room for the stage.

    Attributes:
        targets: the paths of all files that the task makes.
    """

    def __init__(self, build: Build, stage: Stage) -> None:
        self._build, self._stage = build, stage
        files = (*(file.path for file in stage.action.outputs), *stage.concluded)
        self.targets = [str(path) for path in files]

    def run(self) -> BaseFail | dict[str, Any]:
        """Run the stage's tool, and keep its outputs in the store; see `guarded`."""
        held = self._build.held.get(self._stage.action.name) or Held(ONE_CORE)
        return guarded(self._build, functools.partial(self._run, held), self.targets, held)

    def look_up(self) -> Restore | None:
        """Look for the outputs in the store; return the function that takes them from there."""
        found = restore.find(self._build, self._stage.action, self._stage.toolchain)
        return functools.partial(self._restore, found) if found else None

    def _run(self, held: Held) -> Ran:
        build, stage, action = self._build, self._stage, self._stage.action
        checks.run(stage, build.readers)
        text, toolchain = restore.recorded_toolchain(build.root / stage.toolchain, build.contents)
        job = Job(
            action=action,
            record=stage.toolchain,
            toolchain=text,
            share=held.share,
            urgency=build.urgency.get(action.name, 0.0),
            growth=held.growth,
        )
        ran = build.executor.run(job)
        inputs = {**ran.inputs, str(stage.toolchain): toolchain}
        concluded = self._concluded(dataclasses.replace(ran, inputs=inputs))
        if action.parts:
            parts.remove(build.root, action.name)
        return concluded

    def _restore(self, found: restore.Found) -> BaseFail | dict[str, Any] | None:
        """Take the outputs from the store; return None if that is not possible."""

        def act() -> Ran:
            action = self._stage.action
            with disk_errors(action.name, self._build.root):
                is_there = restore.restore(self._build, action, found)
            if not is_there:
                raise _NotInStoreError
            outputs = {str(file.path): found.entry.outputs[file.name].sha256 for file in action.outputs}
            return self._concluded(Ran(inputs=found.inputs, outputs=outputs))

        try:
            ended = guarded(self._build, act, self.targets)
        except _NotInStoreError:
            return None
        if isinstance(ended, dict):
            # The next run is expected to take as long as the tool took, not as long as the store.
            ended |= {RESTORED: ended[SECONDS], SECONDS: found.entry.seconds, CORES: found.entry.cores}
        return ended

    def _concluded(self, ran: Ran) -> Ran:
        """Make the files that follow from the outputs, and add the inputs of that.

        Raises:
            CvimakeError: an input was edited while it was read.
        """
        also = {str(path): self._build.contents.state(str(path)) for path in self._stage.also_read}
        outcomes.conclude(self._stage, self._build.warnings.note)
        for path, state in also.items():
            if is_known(state) and not unchanged(Path(path), state):
                raise CvimakeError(
                    f"{self._stage.action.name}: {path} was edited while it was read", "Start again."
                )
        return dataclasses.replace(ran, inputs={**also, **ran.inputs})


class _NotInStoreError(Exception):
    """The outputs that were found in the store cannot be taken from it."""


def guarded(
    build: Build, act: Callable[[], Ran | None], targets: Sequence[str], held: Held | None = None
) -> BaseFail | dict[str, Any]:
    """Do the work of a task. An error that a user can correct becomes doit's failure (1) or error (2).

    Args:
        build: that the task belongs to.
        act: does the work, and tells what was read and written if it knows.
        targets: all files that the task makes.
        held: what the task has of the machine; one core without it.

    Returns:
        The failure, or the values that doit keeps of the run: its time, and the states of the targets.
    """
    started = time.monotonic()
    try:
        ran = act()
        outputs = {target: build.contents.state(target) for target in targets}
        if ran:
            _check_outputs(ran, outputs)
    except (CvimakeError, OSError) as error:
        return failure_of(error)
    seconds = ran.seconds if ran and ran.seconds is not None else time.monotonic() - started
    cores = ran.cores if ran and ran.cores else held.cores if held else 1
    values = {SECONDS: seconds, CORES: cores, OUTPUTS: outputs}
    return {**values, INPUTS: dict(ran.inputs)} if ran else values


def _check_outputs(ran: Ran, outputs: Mapping[str, State]) -> None:
    """Check that the targets still hold the bytes that were written.

    Raises:
        CvimakeError: one was edited since.
    """
    for path, sha256 in ran.outputs.items():
        if outputs[path][-1] != sha256:
            raise CvimakeError(f"{path} was edited right after it was made", "Start again: it is made anew.")
