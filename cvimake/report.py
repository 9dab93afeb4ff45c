"""What a build says while it runs: a line for each stage that is done, and every failure with its remedy."""

from __future__ import annotations

import time
from typing import Any, TextIO

from doit.exceptions import BaseFail
from doit.globals import Globals
from doit.reporter import ConsoleReporter


class Reporter(ConsoleReporter):  # type: ignore[misc] # doit has no type information
    """doit's reporter for builds."""

    desc = "a line for each stage that was built"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._started: dict[str, float] = {}
        self._unchanged = 0
        self._built = 0

    def execute_task(self, task: Any) -> None:  # noqa: ANN401 - doit has no type information
        """A task's work begins."""
        self._started[task.name] = time.monotonic()

    def add_success(self, task: Any) -> None:  # noqa: ANN401
        """A task's work is done."""
        if task.actions:
            Globals.dep_manager.backend.flush()
            self._built += 1
            seconds = time.monotonic() - self._started[task.name]
            self.write(f"{task.name}: built in {seconds:.1f} s\n")
            self.outstream.flush()

    def skip_uptodate(self, task: Any) -> None:  # noqa: ANN401
        """A task has nothing to do."""
        if task.actions:
            self._unchanged += 1

    def add_failure(self, task: Any, fail: BaseFail) -> None:  # noqa: ANN401
        """A task's work failed."""
        if fail.report:
            self.failures.append({"task": task, "exception": fail})
            self.write(f"{task.name}: FAILED\n{fail.get_msg().strip()}\n")
            self.outstream.flush()

    def complete_run(self) -> None:
        """All is done that could be."""
        for message in self.runtime_errors:
            self.write(f"{message}\n")
        parts = [f"{self._built} built", f"{self._unchanged} unchanged"]
        if self.failures:
            parts.append(f"{len(self.failures)} failed")
        self.write(", ".join(parts) + "\n")
