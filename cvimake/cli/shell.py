"""`shell`: open a shell in the toolchain's container, with a model's files and its stages' commands."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from doit.control import TaskControl
from doit.task import Task

from cvimake.builder.task_meta import meta_of
from cvimake.cli.base import GraphCommand, stages_of
from cvimake.core import announce, terminal
from cvimake.core.action import Action, Input
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import EXPORT, FRAMEWORKS, TOOLCHAIN
from cvimake.execution import shell
from cvimake.execution.engine.conversation import Streams
from cvimake.pipeline.estimates import declared_limits
from cvimake.pipeline.stage import Stage

# A terminal's name, as terminfo writes it.
_TERM = re.compile(r"[A-Za-z0-9+._-]{1,64}")
# A message names this many files.
_MOST_NAMED = 12


class Shell(GraphCommand):
    """Open a shell in the toolchain's container. Builds nothing."""

    doc_purpose = "open a shell in the toolchain's container, with a model's files and a stage's command"
    doc_usage = "[MODEL | MODEL:STAGE]"
    doc_description = (
        "The shell has the rights of a stage: no network, no other files, not root. The model's files are "
        "read-only; everything that you write in /workspace stays in build/shell/. With MODEL:STAGE, "
        "./command.sh is the stage's command, and the up key brings it. Without a terminal, the shell runs "
        "the commands on standard input. Exit code: the shell's."
    )

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Do the work for doit. Without a name, nothing is selected."""
        self._named = list(args)
        return super().execute(params, args)

    def look(self, graph: TaskControl, selected: list[str], _options: dict[str, Any]) -> int:
        """Open the shell, and wait until it ends."""
        if len(self._named) > 1:
            raise CvimakeError(f"`shell` takes one model or stage, not {len(self._named)}")
        stages = self._stages(graph, selected) if self._named else []
        missing = {str(path) for stage in stages for path in self._missing(stage.action)}
        ready = [stage for stage in stages if not self._missing(stage.action)]
        name = selected[0] if self._named else shell.TOOLS
        if len(stages) == 1:
            # doit may have chosen the stage by one of its files.
            name = stages[0].action.name
            if missing:
                raise CvimakeError(
                    f"{name}: its inputs are not there: {', '.join(sorted(missing))}",
                    "\n".join(_makers(graph, missing)),
                )
        self._tell_of_stale(graph, [stage.action.name for stage in ready])
        # The frameworks image has everything that the toolchain image has.
        record = FRAMEWORKS if any(stage.toolchain == FRAMEWORKS for stage in ready) else TOOLCHAIN
        if ready and all(stage.toolchain == EXPORT for stage in ready):
            record = EXPORT
        streams = Streams(0, 1, 2, is_terminal=os.isatty(0) and os.isatty(1))
        term = self.build.environment.get("TERM", "")
        variables = {"TERM": term} if streams.is_terminal and _TERM.fullmatch(term) else {}
        actions = [stage.action for stage in ready]
        limits = declared_limits(self.build.declarations.settings)
        opened = shell.of_stages(name, actions, self._results(stages), variables, limits)
        sandbox = self.build.runtimes.existing(record).sandbox
        with shell.prepared(self.build.root, name, opened, sandbox.engine.user) as (folder, others):
            for line in (
                f"a shell in the toolchain's container; /workspace in it is {folder}",
                *_of_files(opened),
                *_of_commands(opened, others),
                *([f"not built yet: {', '.join(sorted(missing))}"] if missing else []),
                *_makers(graph, missing),
            ):
                announce.note(line)
            terminal.flush()
            code = shell.open_shell(sandbox, opened, folder, streams)
            announce.note(f"the shell's files are in {folder}; ./doit clean --cache shell removes them")
        return code

    @staticmethod
    def _stages(graph: TaskControl, selected: list[str]) -> list[Stage]:
        """Return the selected stages.

        Raises:
            CvimakeError: something else is selected, or the model cannot be built.
        """
        found = []
        for name in stages_of(graph, selected):
            task: Task = graph.tasks[name]
            if reasons := meta_of(task).hindrances:
                raise CvimakeError(f"{name} cannot be built:", "\n".join(map(str, reasons)))
            stage = meta_of(task).stage
            if stage is None:
                raise CvimakeError(
                    f"`shell` takes a model or a stage of one, not {name}",
                    "./doit list --all shows them all.",
                )
            found.append(stage)
        return found

    def _missing(self, action: Action) -> list[str]:
        """Return the paths of inputs that are not there."""
        return [str(path) for path in action.paths() if not (self.build.root / path).is_file()]

    def _results(self, stages: Sequence[Stage]) -> Iterator[Input]:
        """Yield what the stages of a model have built. One stage alone writes its results itself."""
        if len(stages) > 1:
            for stage in stages:
                for output in stage.action.outputs:
                    if (self.build.root / output.path).is_file():
                        yield Input(name=output.path.name, path=output.path)

    def _tell_of_stale(self, graph: TaskControl, names: list[str]) -> None:
        """Tell which inputs a build would make anew. The shell takes them as they are."""
        before = {made for name in names for made in graph.tasks[name].task_dep}
        stale = [name for name in self.stale(graph, names) if name in before and name != TOOLCHAIN.stem]
        if stale:
            announce.note(
                f"out of date, and here as they were built last: the results of {', '.join(stale)}; "
                f"{_building(stale)} builds them anew"
            )


def _makers(graph: TaskControl, paths: set[str]) -> Iterator[str]:
    """Yield what builds missing files."""
    makers = {graph.targets[path] for path in paths if path in graph.targets}
    if makers:
        yield f"{_building(name for name in graph.tasks if name in makers)} builds them."


def _building(names: Any) -> str:  # noqa: ANN401 - names of stages
    return f"`./doit {shlex.join(names)}`"


def _of_files(opened: shell.Shell) -> Iterator[str]:
    action = opened.action
    names = sorted([*(file.name for file in action.inputs), *(text.name for text in action.texts)])
    names += [f"{folder.target}/" for folder in action.folders]
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        yield f"read-only: {', '.join(names[:_MOST_NAMED])}{more}"


def _of_commands(opened: shell.Shell, others: Sequence[str]) -> Iterator[str]:
    if len(opened.stages) == 1:
        ((file, action),) = opened.stages.items()
        yield f"./{file} is the command of {action.name}, to be edited; the up key brings it too"
    elif opened.stages:
        yield f"the stages' commands, to be edited: {', '.join(f'./{file}' for file in opened.stages)}"
    for file in others:
        yield f"{file} differs from the stage's command, and stays; remove it to have it written anew"
    for name in opened.left_out:
        yield f"{name} has other files under the same names: ./doit shell {name}"
