"""How a `dodo.py` is read: by our program, and by plain `doit` in a project of cvimake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DodoTaskLoader, DoitCmdBase, NamespaceTaskLoader, TaskLoader2
from doit.exceptions import InvalidDodoFile
from doit.task import Task

from cvimake.cli.answers.own_modules import only_chooses_stages

if TYPE_CHECKING:
    from cvimake.cli.answers.partial import Partial

# The commands that look at all models where none is named, and need no task of those with nothing to do.
_OF_ALL = frozenset({"plan", "run"})


class Sparing(NamespaceTaskLoader):
    """Leaves out of a build or a plan of everything the models that need no look.

    Attributes:
        partial: knows these models; None to look at all.
    """

    partial: Partial | None = None

    def load_tasks(self, cmd: DoitCmdBase, pos_args: list[str]) -> list[Task]:
        """Make the tasks."""
        if self.partial is None or cmd.name not in _OF_ALL or pos_args or not self._has_only_ours():
            return super().load_tasks(cmd, pos_args)
        self.partial.begin(self.load_doit_config().get("build"), cmd.dep_manager)
        tasks = super().load_tasks(cmd, pos_args)
        self.partial.have_read()
        return tasks

    def _has_only_ours(self) -> bool:
        """Tell whether all tasks are cvimake's: others may need those of any model."""
        return only_chooses_stages(Path((self.namespace or {})["__file__"]))


class Loader(Sparing, DodoTaskLoader):
    """Reads a `dodo.py` as doit does, and names the command that makes one."""

    def setup(self, opt_values: Mapping[str, Any]) -> None:
        """Import the `dodo.py`.

        Raises:
            InvalidDodoFile: there is none.
        """
        try:
            super().setup(opt_values)
        except InvalidDodoFile as error:
            raise InvalidDodoFile(f"{error}The command `new DIR` makes a project, which has one.") from error


class PlainDoit(TaskLoader2):
    """Refuses: plain `doit` has neither cvimake's commands nor its records.

    A project's `pyproject.toml` names this as doit's loader. Our own program does not use it.
    """

    def setup(self, opt_values: Mapping[str, Any]) -> None:  # noqa: ARG002 - doit's own signature
        """Refuse.

        Raises:
            InvalidDodoFile: always.
        """
        raise InvalidDodoFile(
            "plain `doit` cannot build a project of cvimake: use `./doit` or `cvimake` instead."
        )
