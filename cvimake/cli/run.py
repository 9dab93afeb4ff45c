"""`run`: doit's own command, with paths as people write them, and an orderly end on every signal."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from doit.cmd_run import Run as DoitRun
from doit.cmd_run import opt_always, opt_continue, opt_outfile, opt_reporter, opt_single, opt_verbosity
from doit.control import TaskControl
from doit.exceptions import InvalidCommand
from doit.reporter import ConsoleReporter
from doit.task import Stream

from cvimake.builder.build import Build
from cvimake.builder.history import HISTORY, History
from cvimake.builder.reporter import BuildReporter
from cvimake.builder.runner import Runner
from cvimake.builder.task_meta import meta_of
from cvimake.builder.tasks import DefaultTasks
from cvimake.builder.unbuildable import PREVIEW, stand_ins, stops_others
from cvimake.builder.untouched import judged
from cvimake.cli import clusters, extra_packages, surroundings
from cvimake.cli.closed_output import leave
from cvimake.cli.interruption import ends_cleanly
from cvimake.cli.options import option
from cvimake.cli.surroundings import invoked_from
from cvimake.core import announce, listing, lock, terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError, DiskError
from cvimake.execution.workspace import sweep

if TYPE_CHECKING:
    from cvimake.builder.json_reporter import JsonReporter

# The suffixes of results: a bare name with one of them means a file in the user's folder.
_TARGETS = frozenset({".cvimodel", ".json", ".mlir", ".npz", ".onnx", ".png", ".txt", ".zip"})
_JOBS = option(
    "jobs",
    int,
    "cores for all running stages together; each gets one at least [default: the machine's]",
    short="n",
)
_NO_WAIT = option(
    "no-wait",
    bool,
    "if another build runs in this project, end with exit code 2 instead of waiting for it",
    name="no_wait",
)
_FETCH = option("fetch", bool, "first download the files that the models need, as ./doit fetch does")
_JSON = option("json", bool, "tell the build to a program: one JSON object a line on standard output")
# A build names this many of its targets to another one that waits for it.
_MOST_NAMED = 5


class Run(DoitRun):
    """Build what is stale."""

    doc_purpose = "build what is stale: everything, or the named models, stages and files"
    doc_usage = "[MODEL | MODEL:STAGE | PATH ...]"
    doc_description = (
        "A build with nothing to do keeps its answer, and gives it again as long as nothing has changed that "
        "it depends on. With CVIMAKE_NO_ANSWERS=1 it does all its work in any case."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (
        opt_always, opt_continue, opt_verbosity, opt_reporter, opt_outfile, _JOBS, opt_single, _NO_WAIT,
        _FETCH, _JSON,
    )  # fmt: skip

    # Tells the build to a program; None if a person reads the output.
    _json_reporter: JsonReporter | None = None

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Run the tasks."""
        # A `dodo.py` of cvimake's gives its own.
        params.setdefault("build", Build(surroundings.folder(), surroundings.variables()))
        try:
            if not params.get("json"):
                return self._execute_told(params, args)
            from cvimake.cli.json_build import told_as_json  # noqa: PLC0415 - slow to import, only needed here

            with told_as_json(params["outfile"], self, args) as told:
                self._json_reporter, params["outfile"] = told.reporter, terminal.errors()
                told.exit_code = self._execute_told(params, args) or 0
        except BrokenPipeError as error:
            return leave(error)
        return told.exit_code

    def _execute_told(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Run the tasks, and tell the error that ends the build."""
        try:
            return self._execute_locked(params, args)
        except CvimakeError as error:
            return self._tell(error)
        except BrokenPipeError:
            raise
        except (OSError, sqlite3.Error) as error:
            # The disk is full or read-only: for the lock, the records or the output file.
            text = f"the records of this build: {error}" if isinstance(error, sqlite3.Error) else str(error)
            return self._tell(DiskError(text))

    def _tell(self, error: CvimakeError) -> int:
        announce.note(str(error))
        if self._json_reporter:
            self._json_reporter.tell(error)
        return error.exit_code

    def _execute_locked(self, params: dict[str, Any], args: list[str]) -> int | None:
        with ends_cleanly("interrupted; what is finished stays, and the next ./doit goes on from there"):
            root = Path(params.get("cwdPath") or ".")
            if not (root / params.get("dodoFile", "dodo.py")).is_file():
                # doit tells the user.
                return super().execute(params, args)
            (root / "build").mkdir(exist_ok=True)
            # Only one build at a time may write the records and the inputs of stages.
            path, wait = root / "build" / ".lock", not params.get("no_wait")
            with contextlib.ExitStack() as stack:
                stack.enter_context(lock.exclusive(path, _building(args), wait=wait))
                sweep(root)
                if params.get("fetch") and not self._fetch(args) and not params.get("continue"):
                    return EXIT_NOT_POSSIBLE
                return super().execute(params, args)

    def _fetch(self, targets: Sequence[str]) -> bool:
        """Download the files that the models need, and tell whether all are there."""
        from cvimake.cli.fetch import fetch_for_build  # noqa: PLC0415 - it imports this module

        errors = fetch_for_build(targets, announce.note)
        for error in errors:
            self._tell(error)
        return not errors

    def _execute(  # noqa: PLR0913 - doit passes each of its options
        self,
        outfile: TextIO | str | None,
        build: Build,
        *,
        verbosity: int | None = None,
        always: bool = False,
        continue_: bool = False,
        reporter: str | type[ConsoleReporter] = "console",
        jobs: int = 0,
        single: bool = False,
    ) -> int:
        """Run the selected tasks as doit does, but with our runner."""
        if jobs < 0:
            raise InvalidCommand(
                f"-n is the number of cores for all running stages, 0 for all of the machine's; not {jobs}."
            )
        build.store.prepare = extra_packages.ensure_for_store
        if any(meta_of(task).stage for task in self.task_list):
            clusters.use(build)
        self.add_tasks(build)
        control = TaskControl(self.task_list)
        control.process(stand_ins(self.sel_tasks, control.tasks, control.targets))
        if single:
            for name in control.selected_tasks:
                for selected in control.tasks[name].task_dep if control.tasks[name].has_subtask else [name]:
                    control.tasks[selected].task_dep = []
        else:
            control.selected_tasks = with_info(control.selected_tasks, control.tasks)
        with _writable(outfile) as out, contextlib.closing(History(HISTORY)) as history:
            told = self._reporter(reporter, out, build)
            runner = Runner(
                self.dep_manager,
                told,
                continue_=continue_,
                always_execute=always,
                stream=Stream(verbosity),
                build=build,
                ready_machine=lambda: build.executor.ready(),  # noqa: PLW0108 - only a stage that runs needs an engine
                history=history,
                jobs=jobs,
            )
            try:
                code = int(runner.run_all(control.task_dispatcher()))
                if code == 0 and isinstance(self.sel_tasks, DefaultTasks) and isinstance(told, BuildReporter):
                    build.judged = judged(control.tasks, build.declarations, told.unchanged)
                return code
            finally:
                build.close()
                build.store.finish()
                of_all = [*control.selected_tasks, *build.untouched.stages]
                if not continue_ and stops_others(of_all, control.tasks):
                    announce.note(
                        "a wrong declaration stops a build; ./doit --continue builds the other models"
                    )

    def add_tasks(self, build: Build) -> None:
        """Add tasks to those of the project, and select them; a plain build adds none."""

    def _reporter(self, named: str | type[ConsoleReporter], out: TextIO, build: Build) -> ConsoleReporter:
        """Return the reporter of a build, whose class the command line names and a `dodo.py` gives."""
        kind = self.reporters[named] if isinstance(named, str) else named
        reporter = self._json_reporter or kind(out, {})
        if isinstance(reporter, BuildReporter):
            reporter.activities, reporter.untouched = build.activities, build.untouched
            reporter.is_of_everything = self.sel_default_tasks
        return reporter

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Take the command line."""
        return super().parse_execute(as_targets(in_args))


def _building(targets: Sequence[str]) -> str:
    """Return what a build does, for another one that waits for it."""
    return f"is building {listing.line(targets, _MOST_NAMED) or 'everything'} in this project"


@contextlib.contextmanager
def _writable(file: TextIO | str | None) -> Iterator[TextIO]:
    """Open a file by its name, or take the one that is given."""
    if file is None:
        # The caller has closed our standard output.
        file = os.devnull
    if isinstance(file, str):
        with Path(file).open("w", encoding="utf-8") as opened:
            yield opened
    else:
        yield file


def with_info(selected: Iterable[str], tasks: Container[str]) -> list[str]:
    """Return the selected tasks, and for each cvimodel among them its info stage and its accuracy stage.

    These stages tell what is in the cvimodel and what it sees, and whether it is within its budget. The table
    shows an accuracy only beside what is in the cvimodel, so its stage also selects the info stage. A preview
    shows every cvimodel of its model, so it selects the model.
    """
    asked = list(selected)
    asked += [model for model, _, stage in (name.partition(":") for name in asked) if stage == PREVIEW]
    cvimodels = (name.removesuffix("_accuracy") for name in asked if ":" in name)
    about = (f"{name}{stage}" for name in cvimodels for stage in ("_info", "_accuracy"))
    return list(dict.fromkeys([*asked, *(name for name in about if name in tasks)]))


def as_targets(arguments: Iterable[str]) -> list[str]:
    """Return a command line with every path in the form that the graph uses."""
    place, root = invoked_from(), surroundings.folder()
    return [as_target(argument, place, root) for argument in arguments]


def as_target(argument: str, invoked_from: Path, root: Path) -> str:
    """Return an argument in the form that the graph uses: a path in the project is relative to the project.

    `build/x`, `./build/x`, `/abs/project/build/x` and `x` (from within `build`) all name `build/x`.
    """
    if argument.startswith("-"):
        return argument
    path = Path(os.path.normpath(invoked_from / argument))
    if "/" not in argument and path.suffix not in _TARGETS and not path.is_file():
        # It is a model's name, even if there is a folder of that name.
        return argument
    for form in (path, Path(os.path.realpath(path.parent)) / path.name):
        if form.is_relative_to(root / "build"):
            return str(form.relative_to(root))
    return argument
