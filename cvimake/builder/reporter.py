"""What a build says while it runs, and at its end."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TextIO

from doit.exceptions import BaseFail, UnmetDependency
from doit.globals import Globals
from doit.reporter import ConsoleReporter
from doit.task import Task

from cvimake.builder import summary
from cvimake.builder.activity import ACTIVITIES
from cvimake.builder.estimates import Estimates
from cvimake.builder.records import RESTORED
from cvimake.builder.runner import LOAD
from cvimake.builder.summary import SEVERITY, Result, State
from cvimake.core.units import duration
from cvimake.execution.engine.choice import TOOLCHAIN, was_local
from cvimake.pipeline.stage import Row

if TYPE_CHECKING:
    from cvimake.builder.live import LiveView

# doit's levels of verbosity from which on a task's streams are seen as they come.
_SHOWS_ERRORS, _SHOWS_OUTPUT = 1, 2
# What a task's `meta` says of the final table.
ROW = "row"
# The key of a task's `meta` for the error of a model that waits for something.
WAITING = "waiting"


class Reporter(ConsoleReporter):
    """doit's reporter for builds.

    A line for each stage that is done, every failure with its remedy, and a table of all cvimodels at the
    end. On a terminal also what runs at the moment, how far it is and how long it will take.
    """

    desc = "a line for each stage that was built, and a table at the end"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._unchanged = 0
        self._built = 0
        self._restored = 0
        self._left_out = 0
        self._results: dict[Row, Result] = {}
        self._tasks: dict[str, Any] = {}
        self._selected: list[str] = []
        self._settled: set[str] = set()
        self._view: LiveView | None = None

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """The tasks are known; nothing has run yet."""
        self._tasks, self._selected = tasks, selected_tasks

    def execute_task(self, task: Task) -> None:
        """A task's work begins."""
        if not task.actions:
            return
        expected = self._estimates.of(task.name)
        seconds, is_guess = (expected.seconds, expected.is_guess) if expected else (None, False)
        ACTIVITIES.begin(task.name, seconds, is_guess=is_guess)
        # What is not a stage draws for itself.
        if self._view is None and LOAD in _meta(task) and self.outstream.isatty():
            from cvimake.builder.live import LiveView  # noqa: PLC0415 - slow to import, and only needed here

            self._view = LiveView(self.outstream, self._needed(), self._settled, self._expected)
            self._view.start()

    def add_success(self, task: Task) -> None:
        """A task's work is done."""
        self._settled.add(task.name)
        if not task.actions:
            return
        Globals.dep_manager.backend.flush()
        seconds = ACTIVITIES.end(task.name)
        if RESTORED in task.values:
            self._restored += 1
            self._count(task, State.RESTORED, seconds)
            self.write(f"{task.name}: from the store in {duration(seconds)}\n")
        else:
            self._built += 1
            self._count(task, State.BUILT, seconds)
            self.write(f"{task.name}: built in {duration(seconds)}\n")

    def skip_uptodate(self, task: Task) -> None:
        """A task has nothing to do."""
        self._settled.add(task.name)
        if task.actions:
            self._unchanged += 1
            self._count(task, State.UNCHANGED)

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """A task's work failed, or it cannot begin."""
        self._settled.add(task.name)
        if task.name in {activity.name for activity in ACTIVITIES.running()}:
            ACTIVITIES.end(task.name)
        if isinstance(fail, UnmetDependency):
            # One failure is told once, not again for all that needs it.
            self._left_out += bool(task.actions)
            self._count(task, State.LEFT_OUT)
            return
        self._count(task, State.FAILED)
        if fail.report:
            self.failures.append({"task": task, "exception": fail})
            self.write(f"{task.name}: FAILED\n{fail.get_msg().strip()}\n{_captured(task)}")

    def complete_run(self) -> None:
        """All is done that could be."""
        if self._view:
            self._view.stop()
            self._view = None
        for message in self.runtime_errors:
            self.write(f"{message}\n")
        # As declared, whatever ended first.
        place = {_meta(task).get(ROW): number for number, task in enumerate(self._tasks.values())}
        rows = sorted(self._results, key=place.__getitem__)
        summary.write({row: self._results[row] for row in rows}, self.outstream)
        for task in self._tasks.values():
            waiting = _meta(task).get(WAITING)
            if waiting and task.name not in self._settled:
                self.write(f"{waiting}\n")
        if self._results and was_local(TOOLCHAIN):
            self.write(
                "Built without containers, so without isolation; `./doit doctor` says how to get an engine.\n"
            )
        parts = [f"{self._built} built", f"{self._unchanged} unchanged"]
        if self._restored:
            parts.insert(1, f"{self._restored} from the store")
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        if self._left_out:
            parts.append(f"{self._left_out} left out")
        self.write(", ".join(parts) + "\n")

    def write(self, text: str) -> None:
        """Writes above what is drawn."""
        if self._view:
            self._view.print(text)
            return
        self.outstream.write(text)
        self.outstream.flush()

    def _count(self, task: Task, state: State, seconds: float = 0.0) -> None:
        if row := _meta(task).get(ROW):
            result = self._results.setdefault(row, Result(known=False))
            result.known |= str(row.info) in task.targets
            result.seconds += seconds
            # The worst that happened to any of its stages.
            result.state = max(result.state, state, key=SEVERITY.__getitem__)

    @functools.cached_property
    def _estimates(self) -> Estimates:
        return Estimates(self._tasks, Globals.dep_manager)

    def _expected(self, name: str) -> float | None:
        """Seconds that a task should take; None where nothing is known of that."""
        expected = self._estimates.of(name)
        return expected.seconds if expected else None

    def _needed(self) -> set[str]:
        """Every task with work that the selected ones need."""
        needed: set[str] = set()
        left = list(self._selected)
        while left:
            name = left.pop()
            if name not in needed:
                needed.add(name)
                left += self._tasks[name].task_dep
        return {name for name in needed if self._tasks[name].actions}


def _meta(task: Task) -> dict[str, Any]:
    return task.meta or {}


def _captured(task: Task) -> str:
    """What a user's own task printed before it failed, as far as it has not been seen; ours print nothing."""
    streams = [action.out for action in task.actions] if (task.verbosity or 0) < _SHOWS_OUTPUT else []
    streams += [action.err for action in task.actions] if (task.verbosity or 0) < _SHOWS_ERRORS else []
    return "".join(f"{text.rstrip()}\n" for text in streams if text)
