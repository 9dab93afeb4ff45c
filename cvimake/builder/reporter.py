"""The output of a build: lines while it runs, the table at its end, and the live view on a terminal."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from doit.exceptions import BaseFail, UnmetDependency
from doit.globals import Globals
from doit.reporter import ConsoleReporter
from doit.task import Task

from cvimake.builder import accuracy_table, summary
from cvimake.builder.activity import Activities, Activity
from cvimake.builder.estimates import Estimates
from cvimake.builder.records import RESTORED
from cvimake.builder.summary import SEVERITY, Result, State
from cvimake.builder.task_failure import error_of
from cvimake.builder.task_meta import meta_of
from cvimake.builder.untouched import Untouched
from cvimake.core import graph
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import TOOLCHAIN
from cvimake.core.units import duration
from cvimake.execution.engine.choice import was_local
from cvimake.pipeline.outcomes import MeasuredAccuracy
from cvimake.pipeline.stage import Row

if TYPE_CHECKING:
    from cvimake.builder.progress import LiveView

# doit's levels of verbosity from which on a task's streams are seen as they come.
_SHOWS_ERRORS, _SHOWS_OUTPUT = 1, 2
# The last line of a build, in this order.
_COUNTED = {
    State.BUILT: "built",
    State.RESTORED: "from the store",
    State.UNCHANGED: "unchanged",
    State.FAILED: "failed",
    State.LEFT_OUT: "left out",
}
# The ends after which a stage's results are there.
_DONE = frozenset({State.BUILT, State.RESTORED, State.UNCHANGED})


class BuildReporter(ConsoleReporter):
    """doit's reporter, as far as terminal and program have it in common: counts, times and errors.

    Attributes:
        counts: how many stages came to which end; those without work are not counted.
        activities: the running stages of the build; those of one that nobody else watches until it is set.
        unchanged: the names of the stages that had nothing to do.
        untouched: the models that were left out of the build, since they have nothing to do.
        is_of_everything: whether the user named nothing to build; then models that wait are told too.
    """

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self.counts = dict.fromkeys(State, 0)
        self.activities = Activities()
        self.unchanged: list[str] = []
        self.untouched = Untouched()
        self.is_of_everything = True
        self._tasks: dict[str, Any] = {}
        self._selected: list[str] = []
        self._settled: set[str] = set()

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Take the tasks; nothing has run yet."""
        self._tasks, self._selected = tasks, selected_tasks

    def execute_task(self, task: Task) -> None:
        """Note that a task's work begins."""
        if task.actions:
            expected = self._estimates.of(task.name)
            seconds, is_guess = (expected.seconds, expected.is_guess) if expected else (None, False)
            self._began(task, self.activities.begin(task.name, seconds, is_guess=is_guess))

    def add_success(self, task: Task) -> None:
        """Note that a task's work is done."""
        self._settled.add(task.name)
        if not task.actions:
            return
        Globals.dep_manager.backend.flush()
        where = self.activities.where(task.name)
        seconds = self.activities.end(task.name)
        state = State.RESTORED if RESTORED in task.values else State.BUILT
        self.counts[state] += 1
        self._succeeded(task, state, seconds, where)

    def skip_uptodate(self, task: Task) -> None:
        """Note that a task has nothing to do."""
        self._settled.add(task.name)
        if task.actions:
            self.counts[State.UNCHANGED] += 1
            self.unchanged.append(task.name)
            self._skipped(task, State.UNCHANGED)

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """Note that a task failed, or that it cannot begin since one that it needs has failed."""
        self._settled.add(task.name)
        where = self.activities.where(task.name)
        self.activities.end(task.name)
        if isinstance(fail, UnmetDependency):
            # A failure is told once, and not again for every task that needs the failed one.
            self.counts[State.LEFT_OUT] += bool(task.actions)
            self._skipped(task, State.LEFT_OUT)
            return
        self.counts[State.FAILED] += bool(fail.report)
        self._failed(task, fail, where)

    def _began(self, task: Task, activity: Activity) -> None:
        """Tell that a task with work has begun."""

    def grew(self, task: Task, before: int, cores: int) -> None:
        """Tell that a running task has got more cores, and how many it had until now."""

    def _succeeded(self, task: Task, state: State, seconds: float, where: str) -> None:
        """Tell that a task with work was built, on another machine if there is a `where`, or restored."""

    def _skipped(self, task: Task, state: State) -> None:
        """Tell that a task had nothing to do or, with or without work, was left out."""

    def _failed(self, task: Task, fail: BaseFail, where: str) -> None:
        """Tell that a task failed, on another machine if there is a `where`."""

    def _waiting(self) -> Iterator[tuple[str, CvimakeError]]:
        """Yield the task of each model that waits for something, and its error, in a build of everything."""
        for task in self._tasks.values() if self.is_of_everything else ():
            error = meta_of(task).waiting
            if error and task.name not in self._settled:
                yield task.name, error

    @functools.cached_property
    def _estimates(self) -> Estimates:
        return Estimates(self._tasks, Globals.dep_manager)


class Reporter(BuildReporter):
    """The reporter for people.

    It writes a line for each stage that is done, every failure with its remedy, and a table of all cvimodels
    at the end. A terminal also shows the running stages, how far each is, and how long it will take.
    """

    desc = "a line for each stage that was built, and a table at the end"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._results: dict[Row, Result] = {}
        # For each model, by name, the file with the accuracy of its float network.
        self._of_float: dict[str, Path] = {}
        self._view: LiveView | None = None

    def _began(self, task: Task, _activity: Activity) -> None:
        # A task that is no stage draws its own progress.
        if self._view is None and meta_of(task).load and self.outstream.isatty():
            from cvimake.builder.progress import LiveView  # noqa: PLC0415 - slow to import, and only needed here

            self._view = LiveView(
                self.outstream, self.activities, self._needed(), self._settled, self._expected
            )
            self._view.start()

    def _succeeded(self, task: Task, state: State, seconds: float, where: str) -> None:
        self._count(task, state, seconds)
        how = "from the store" if state is State.RESTORED else "built"
        on = f" on {where}" if where else ""
        self.write(f"{task.name}: {how} in {duration(seconds)}{on}\n")

    def _skipped(self, task: Task, state: State) -> None:
        self._count(task, state)

    def _failed(self, task: Task, fail: BaseFail, where: str) -> None:
        self._count(task, State.FAILED)
        if fail.report:
            on = f" on {where}" if where else ""
            self.write(f"{task.name}: FAILED{on}\n{error_of(fail)}\n{captured(task)}")

    def complete_run(self) -> None:
        """Write the table, the models that wait, and the counts."""
        if self._view:
            self._view.stop()
            self._view = None
        for message in self.runtime_errors:
            self.write(f"{message}\n")
        # In the order of declaration, and not in the order in which the stages ended.
        place = {meta_of(task).row: number for number, task in enumerate(self._tasks.values())}
        rows = sorted(self._results, key=place.__getitem__)
        summary.write({row: self._results[row] for row in rows}, self.outstream, self.untouched.rows)
        for line in accuracy_table.of_float_networks(self._of_float, {row.model for row in rows}):
            self.write(f"{line}\n")
        for _, error in self._waiting():
            self.write(f"{error.in_short}\n")
        if (self._results or self.untouched.rows) and was_local(TOOLCHAIN):
            self.write(
                "Built without containers, so without isolation; `./doit doctor` says how to get an engine.\n"
            )
        counts = {**self.counts}
        counts[State.UNCHANGED] += self.untouched.others(self._tasks)
        parts = [
            f"{counts[state]} {word}"
            for state, word in _COUNTED.items()
            if counts[state] or state in {State.BUILT, State.UNCHANGED}
        ]
        self.write(", ".join(parts) + "\n")

    def write(self, text: str) -> None:
        """Write a text above the drawing."""
        if self._view:
            self._view.print(text)
            return
        self.outstream.write(text)
        self.outstream.flush()

    def _count(self, task: Task, state: State, seconds: float = 0.0) -> None:
        """Add a task's end to the row of the table that the task belongs to."""
        stage = meta_of(task).stage
        outcome = stage.outcome if stage else None
        if isinstance(outcome, MeasuredAccuracy) and not outcome.of_float and state in _DONE:
            self._of_float[task.name.partition(":")[0]] = outcome.result
        if row := meta_of(task).row:
            result = self._results.setdefault(row, Result(known=False))
            result.known |= str(row.info) in task.targets
            result.seconds += seconds
            # A row shows the worst end that any of its stages came to.
            result.state = max(result.state, state, key=SEVERITY.__getitem__)

    def _expected(self, name: str) -> float | None:
        """Return the seconds that a task should take; None where nothing is known of that."""
        expected = self._estimates.of(name)
        return expected.seconds if expected else None

    def _needed(self) -> set[str]:
        """Return the names of all tasks with work that the selected ones need."""
        needed = graph.reached(self._selected, lambda name: self._tasks[name].task_dep)
        return {name for name in needed if self._tasks[name].actions}


def captured(task: Task) -> str:
    """Return what a user's own task printed before it failed, but for what was shown; ours print nothing."""
    streams = [action.out for action in task.actions] if (task.verbosity or 0) < _SHOWS_OUTPUT else []
    streams += [action.err for action in task.actions] if (task.verbosity or 0) < _SHOWS_ERRORS else []
    return "".join(f"{text.rstrip()}\n" for text in streams if text)
