"""Records how doit's tasks have ended: in doit's records, and in the history."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from doit.control import ExecNode
from doit.exceptions import BaseFail, DependencyError, UnmetDependency
from doit.runner import Runner as DoitRunner
from doit.task import Task

from cvimake.builder import reasons, staleness
from cvimake.builder.content_checker import OUTPUTS, ContentChecker, contents_of
from cvimake.builder.history import Failure, History
from cvimake.builder.reasons import Reason
from cvimake.builder.task_failure import error_of
from cvimake.core.content import State
from cvimake.core.errors import OverBudgetError


class Ended(NamedTuple):
    """The end of a task.

    Attributes:
        failure: doit's; None for success.
        inputs: the state of each input that it ran with.
    """

    failure: BaseFail | None
    inputs: dict[str, State]


class RecordingRunner(DoitRunner):
    """doit's runner, with a record of the bytes that a task has read, and of why it ran.

    Args:
        arguments: of doit's runner, as the options are.
        history: takes every success with its reasons, and every failure; None for no history.
    """

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - doit's own
        history: History | None = None,
        **options: Any,  # noqa: ANN401 - doit's own
    ) -> None:
        super().__init__(*arguments, **options)
        self._contents = contents_of(self.dep_manager)
        self._history = history
        self._reasons: dict[str, tuple[Reason, ...]] = {}
        # Whether a task is selected that also takes results over a budget, and the tasks with such results.
        self._takes_over_budget = False
        self._over_budget: set[str] = set()

    def settle(self, ended: Sequence[tuple[ExecNode, Ended]]) -> None:
        """Record how tasks have ended, with the inputs that they ran with. They may have been edited since.

        Each database is written to the disk once for all of them.
        """
        # The history comes first: a stage counts as built only if its run is on record.
        with self._history.together() if self._history else nullcontext():
            for node, end in ended:
                if self._history and end.failure is None and node.task.name in self._reasons:
                    why = self._reasons.pop(node.task.name)
                    inputs = {path: state[-1] for path, state in end.inputs.items()}
                    staleness.record(self._history, node.task, why, inputs)
        failures = [end.failure or self._saved(node.task, end.inputs) for node, end in ended]
        for (node, _), failure in zip(ended, failures, strict=True):
            if failure:
                self._handle_task_error(node, failure)
            else:
                node.run_status = "successful"
                self.reporter.add_success(node.task)

    def _saved(self, task: Task, inputs: dict[str, State]) -> BaseFail | None:
        """Put a success into the records; return a failure if a file that the task has read is gone.

        A task without actions, which is a group, gets no record. A group can have the name of a stage of
        earlier: `MODEL:VARIANT` is a stage as long as the variant has one processor. With a record of its
        own, the group would take the stage's place in the database.
        """
        if not task.actions:
            return None
        checker = self.dep_manager.checker
        # In another project's `dodo.py` it is doit's own checker.
        before = checker.as_before(inputs) if isinstance(checker, ContentChecker) else nullcontext()
        with before:
            task.save_extra_values()
            try:
                self.dep_manager.save_success(task)
            except FileNotFoundError as error:
                return DependencyError(f"{task.name}: its input {error.filename} is gone")
        return None

    def select_task(self, node: ExecNode, tasks_dict: dict[str, Task]) -> bool:
        """Tell whether a task has to run. If not, record the new states of files that were only touched."""
        self._contents.renewed.clear()
        if self._over_budget:
            node.bad_deps = [bad for bad in node.bad_deps if bad.task.name not in self._over_budget]
        selected = super().select_task(node, tasks_dict)
        if not isinstance(self.dep_manager.checker, ContentChecker):
            return selected
        if node.run_status == "up-to-date":
            self._renew(node.task)
        elif selected and self._history and node.task.actions:
            # The reasons depend on its targets and its record, and both change when it runs.
            why = staleness.of_task(node.task, self.dep_manager, tasks_dict, self._history)
            self._reasons[node.task.name] = why or (reasons.Asked(),)
        return selected

    def _renew(self, task: Task) -> None:
        """Record the new states of files that have the recorded bytes: the states that were compared.

        The files are not looked at again: they may have been edited since.
        """
        backend, outputs = self.dep_manager.backend, {}
        for path, state in self._contents.renewed.items():
            if path in task.file_dep:
                backend.set(task.name, path, state)
            if path in task.targets:
                outputs[path] = state
        if outputs:
            values = task.values
            backend.set(task.name, "_values_:", {**values, OUTPUTS: {**values[OUTPUTS], **outputs}})

    def _handle_task_error(self, node: ExecNode, base_fail: BaseFail) -> None:
        """Note a failure. A task that only needs a failed one is no failure of its own."""
        if not isinstance(base_fail, UnmetDependency):
            is_stopping = self._stop_running
            super()._handle_task_error(node, base_fail)
            if self._takes_over_budget and isinstance(error_of(base_fail), OverBudgetError):
                # Its results are in place, so all that the selected task needs can still run.
                self._over_budget.add(node.task.name)
                self._stop_running = is_stopping
            if self._history:
                self._history.add_failure(_failure(node.task, base_fail))
            return
        node.run_status = "failure"
        self.reporter.add_failure(node.task, base_fail)

    def inputs(self, task: Task) -> dict[str, State]:
        """Return the states of a task's inputs. The task itself reports those that are missing by now."""
        return {path: self._contents.state(path) for path in task.file_dep if Path(path).exists()}


def _failure(task: Task, fail: BaseFail) -> Failure:
    return Failure(task=task.name, ended=time.time(), problem=error_of(fail).problem(task.name))
