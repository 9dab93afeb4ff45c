"""`clean`: doit's own, which also removes the results of models that can no longer be built."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable
from typing import Any

from doit.cmd_clean import Clean as DoitClean

from cvimake.builder import leftovers
from cvimake.builder.unbuildable import PREVIEW
from cvimake.cli import disk_use, surroundings
from cvimake.cli.interruption import ends_cleanly
from cvimake.cli.options import option
from cvimake.cli.records import alone, is_ours
from cvimake.core import lock, terminal
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import BUILD
from cvimake.execution import parts

# Stands for everything that `clean --cache` can remove.
_ALL = "all"


class Clean(DoitClean):
    """Remove results. Waits for a running build."""

    doc_purpose = "remove what was built, also of models that are no longer declared"
    doc_usage = "[MODEL | MODEL:STAGE ...] | --cache [NAME ...]"
    doc_description = (
        "Without a name, everything. -n only says what it would remove. --cache is about what takes disk "
        "space beside the results. Without a name it lists this; with names, or with `all`, it removes what "
        f"is named: {', '.join(disk_use.NAMES)}."
    )
    cmd_options = (
        *DoitClean.cmd_options,
        option("cache", bool, "list what is kept beside the results, or remove the parts that are named"),
    )

    def execute(self, params: dict[str, Any], args: list[str]) -> int | None:
        """Do the work for doit. With --cache it needs no tasks, and prints the error that ends it."""
        if not params["cache"]:
            return super().execute(params, args)
        with ends_cleanly("interrupted"):
            try:
                _clean_cache(args, is_trial=bool(params["dryrun"]))
            except CvimakeError as error:
                terminal.complain(error)
                return error.exit_code
        return 0

    def _execute(
        self,
        dryrun: bool,
        cleandep: bool,
        cleanall: bool,
        cleanforget: bool,
        pos_args: list[str] | None = None,
    ) -> int | None:
        """Remove the results; the parameters have the names that doit gives them."""
        if not is_ours(self.dep_manager):
            return super()._execute(dryrun, cleandep, cleanall, cleanforget, pos_args)
        # A dry run removes nothing, so it need not wait.
        what = "is removing results in this project"
        with contextlib.nullcontext() if dryrun else alone(self.dep_manager, what):
            named = list(pos_args or [])
            makers = {task.name.partition(":")[0] for task in self.task_list if task.targets}
            self._remove_parts(named, is_trial=bool(dryrun))
            left = {each.name: each for each in leftovers.find(BUILD, makers)}
            for name, leftover in left.items():
                if not named or cleanall or name in named:
                    self._remove(leftover, is_trial=bool(dryrun))
            tasks = {task.name for task in self.task_list}
            others = [name for name in named if name not in left or name in tasks]
            for name in sorted(makers & {*others} if others and not cleanall else makers):
                # Their stages are in no graph.
                self._remove(leftovers.asked(BUILD, name), is_trial=bool(dryrun))
            if others or not named:
                others = _with_previews(others, tasks)
                if self.sel_tasks is not None:
                    self.sel_tasks = _with_previews(self.sel_tasks, tasks)
                return super()._execute(dryrun, cleandep, cleanall, cleanforget, others)
            self.dep_manager.close()
            return 0

    def _remove(self, leftover: leftovers.Leftover, *, is_trial: bool) -> None:
        """Remove what is left of a model, and print it as doit does."""
        for path in leftover.files:
            self.outstream.write(f"{leftover.name} - removing file '{path}'\n")
        if not is_trial:
            leftover.remove()

    def _remove_parts(self, named: list[str], *, is_trial: bool) -> None:
        """Remove the parts that stages had finished when they were killed: of the named ones, or of all."""
        root = surroundings.folder()
        for action in parts.names(root):
            if not named or {action, action.partition(":")[0]} & set(named):
                self.outstream.write(f"{action} - removing its finished parts\n")
                if not is_trial:
                    parts.remove(root, action)


def _with_previews(names: Iterable[str], tasks: Container[str]) -> list[str]:
    """Add the preview of each model. doit does not know that it belongs to the model's group."""
    return [each for name in names for each in (name, f"{name}:{PREVIEW}") if each == name or each in tasks]


def _clean_cache(named: list[str], *, is_trial: bool) -> None:
    """List what takes disk space beside the results, or remove what is named.

    Raises:
        CvimakeError: something else is named, or cannot be removed.
    """
    if unknown := sorted({*named} - {*disk_use.NAMES, _ALL}):
        raise CvimakeError(
            f"`clean --cache` cannot remove {', '.join(unknown)}",
            f"It removes {', '.join(disk_use.NAMES)}, or {_ALL}.",
        )
    root, lists = surroundings.folder(), is_trial or not named
    waits: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if not lists and (root / BUILD).is_dir():
        waits = lock.exclusive(root / BUILD / ".lock", "is removing what is kept in this project")
    with waits:
        for use in disk_use.find(root, surroundings.variables()):
            if not named or use.name in named or _ALL in named:
                if not lists:
                    use.remove()
                terminal.line(f"{use.name:9}  {use}{'' if lists else ' (removed)'}")
    if lists:
        terminal.line(
            f"Nothing was removed. ./doit clean --cache {' '.join(named) or 'NAME ...'} removes it."
        )
