"""Base classes of cvimake's commands."""

from __future__ import annotations

import contextlib
import dataclasses
import getopt
import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import Command, DoitCmdBase
from doit.cmdparse import CmdParse
from doit.control import TaskControl

from cvimake.builder import staleness
from cvimake.builder.build import Build
from cvimake.builder.history import HISTORY, History
from cvimake.builder.records import Records, UnwrittenRecords
from cvimake.builder.staleness import Verdict
from cvimake.builder.unbuildable import stand_ins
from cvimake.cli import extra_packages, surroundings
from cvimake.cli.interruption import ends_cleanly
from cvimake.cli.options import option
from cvimake.cli.run import as_targets
from cvimake.core import graph, terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError

# For commands that can also print their answer as data.
OPTION_JSON = option("json", bool, "print the same as JSON")


def options_first(parser: CmdParse, arguments: Sequence[str]) -> list[str]:
    """Return a command line with its options moved to the front: doit finds no option after an argument.

    An option that the command does not have stays where it is; doit refuses it.
    """
    try:
        found, others = getopt.gnu_getopt(list(arguments), parser.get_short(), parser.get_long())
    except getopt.GetoptError:
        return sorted(arguments, key=lambda argument: not argument.startswith("-"))
    options: list[str] = []
    for name, value in found:
        is_long, takes_value = name.startswith("--"), f"{name[2:]}=" in parser.get_long()
        options += [f"{name}={value}" if takes_value else name] if is_long else [name + value]
    return [*options, "--", *others]


class PlainCommand(Command):
    """A command that does not need the graph. It prints errors and ends with their exit code."""

    takes_arguments = False

    @abstractmethod
    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Do the work and return the exit code."""

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line. A command without options leaves all that it gets to `perform`."""
        return super().parse_execute(options_first(self.cmdparser, in_args) if self.cmd_options else in_args)

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Do the work for doit, and print the error that ends it."""
        if pos_args and not self.takes_arguments:
            terminal.complain(f"{self.name} takes no arguments: {' '.join(pos_args)}")
            return EXIT_NOT_POSSIBLE
        with ends_cleanly("interrupted"):
            try:
                return self.perform(opt_values, pos_args)
            except CvimakeError as error:
                terminal.complain(error)
                return error.exit_code


class GraphCommand(DoitCmdBase):
    """A command that looks at the graph and its records, and changes neither.

    Its arguments are models, stages and paths, as a build takes them.

    Attributes:
        history: what each stage was when it last succeeded.
    """

    build: Build
    history: History

    @abstractmethod
    def look(self, graph: TaskControl, selected: list[str], options: dict[str, Any]) -> int:
        """Do the work and return the exit code.

        Args:
            graph: all tasks.
            selected: the names of those that are meant: if none was named, those of a plain build.
            options: of the command line.
        """

    def get_backends(self) -> dict[str, type]:
        """Return doit's kinds of records; ours cannot be written."""
        backends = super().get_backends()
        return {name: UnwrittenRecords if kind is Records else kind for name, kind in backends.items()}

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Do the work for doit, and print the error that ends it."""
        with ends_cleanly("interrupted"):
            self._options = params
            try:
                return super().execute(params, args)
            except CvimakeError as error:
                terminal.complain(error)
                self._tell_program(error)
                return error.exit_code
            except SystemExit as error:
                # The declarations cannot be read, and the user has been told.
                if isinstance(error.__cause__, CvimakeError):
                    self._tell_program(error.__cause__)
                raise

    def _tell_program(self, error: CvimakeError) -> None:
        """Print an error as JSON if the answer was to be JSON."""
        if self._options.get("json"):
            terminal.write(json.dumps({"error": dataclasses.asdict(error.problem())}, indent=1) + "\n")

    def _execute(self) -> int:
        self.build = self._options.get("build") or Build(surroundings.folder(), surroundings.variables())
        self.build.store.prepare = extra_packages.ensure_for_store
        control = TaskControl(self.task_list)
        control.process(stand_ins(self.sel_tasks, control.tasks, control.targets))
        # doit derives the dependencies from sets of files, so their order changes from run to run.
        place = {name: number for number, name in enumerate(control.tasks)}
        for task in control.tasks.values():
            task.task_dep.sort(key=place.__getitem__)
        with contextlib.closing(self.dep_manager), contextlib.closing(History(HISTORY)) as self.history:
            return self.look(control, list(control.selected_tasks), self._options)

    def stale(self, graph: TaskControl, selected: list[str]) -> dict[str, Verdict]:
        """Return what a build of the selected tasks would run; see `staleness.judge`."""
        tasks = graph.tasks
        return staleness.judge(
            tasks,
            selected,
            lambda task: staleness.of_task(task, self.dep_manager, tasks, self.history),
            lambda task: bool(self.dep_manager.status_is_ignore(task)),
        )

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line; options may also stand after the names."""
        return super().parse_execute(as_targets(options_first(self.cmdparser, in_args)))


def stages_of(control: TaskControl, selected: list[str]) -> list[str]:
    """Return the selected stages, and those of selected groups."""
    tasks = control.tasks
    found = graph.reached(selected, lambda name: () if tasks[name].actions else tasks[name].task_dep)
    return [name for name in found if tasks[name].actions]
