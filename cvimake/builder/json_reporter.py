"""`./doit run --json`: a build that is told to a program, one event a line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable

from doit.exceptions import BaseFail
from doit.task import Task

from cvimake.builder.activity import Activity
from cvimake.builder.events import (
    Done,
    EventStream,
    Finished,
    Grew,
    LeftOut,
    Progress,
    Started,
    failed,
    waits,
)
from cvimake.builder.reporter import BuildReporter, captured
from cvimake.builder.summary import State
from cvimake.builder.task_failure import UserTaskError, error_of
from cvimake.core import terminal
from cvimake.core.errors import CvimakeError

# How often the running stages are asked how far they are.
PROGRESS_SECONDS = 1.0


class JsonReporter(BuildReporter):
    """The reporter for programs."""

    desc = "one JSON object a line; `run --json` chooses it"

    def __init__(self, events: EventStream) -> None:
        # doit's class wants a stream for text. Events have their own, and nothing else is written there.
        super().__init__(terminal.errors(), {})
        self._events = events
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def _began(self, task: Task, activity: Activity) -> None:
        self._events.write(
            Started(stage=task.name, expected_seconds=activity.expected, estimated=activity.is_guess)
        )
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._watcher.start()

    def grew(self, task: Task, before: int, cores: int) -> None:
        """Tell that a running task has got more cores."""
        self._events.write(Grew(stage=task.name, before=before, cores=cores))

    def _succeeded(self, task: Task, state: State, seconds: float, where: str) -> None:
        self._events.write(
            Done(
                stage=task.name,
                result="restored" if state is State.RESTORED else "built",
                seconds=seconds,
                files=tuple(task.targets),
                worker=where,
            )
        )

    def _skipped(self, task: Task, state: State) -> None:
        if state is State.LEFT_OUT and task.actions:
            self._events.write(LeftOut(stage=task.name))

    def _failed(self, task: Task, fail: BaseFail, where: str) -> None:
        if fail.report:
            terminal.write(captured(task), terminal.errors())
            self._events.write(failed(task.name, error_of(fail).problem(task.name), where))

    def complete_run(self) -> None:
        """Tell the errors of the run and the models that wait; `finish` tells the rest."""
        self._ended.set()
        for message in self.runtime_errors:
            self.tell(UserTaskError(message))
        for name, error in self._waiting():
            self._events.write(waits(name, error.problem()))

    def tell(self, error: CvimakeError) -> None:
        """Tell an error that is no stage's."""
        self._events.write(failed(None, error.problem()))

    def finish(self, exit_code: int) -> None:
        """Tell that the build has ended."""
        counts = self.counts
        self._events.write(
            Finished(
                built=counts[State.BUILT],
                restored=counts[State.RESTORED],
                unchanged=counts[State.UNCHANGED],
                failed=counts[State.FAILED],
                left_out=counts[State.LEFT_OUT],
                seconds=time.monotonic() - self._started,
                exit_code=exit_code,
            )
        )

    def _watch(self) -> None:
        """Tell the progress of all running stages until the build ends."""
        told: dict[str, tuple[int | None, str]] = {}
        # The thread of the build sees for itself that nobody reads any more.
        with contextlib.suppress(OSError):
            while not self._ended.wait(PROGRESS_SECONDS):
                for event in further(told, self.activities.running()):
                    self._events.write(event)


def further(told: dict[str, tuple[int | None, str]], running: Iterable[Activity]) -> list[Progress]:
    """Return an event for every running stage that has come further.

    Args:
        told: how far each stage was the last time; is brought up to date.
        running: the running stages.
    """
    events = []
    for activity in running:
        now = (activity.percent, activity.doing)
        if now != told.get(activity.name, (None, "")):
            told[activity.name] = now
            events.append(
                Progress(
                    stage=activity.name,
                    seconds=activity.elapsed,
                    percent=activity.percent,
                    doing=activity.doing,
                )
            )
    return events
