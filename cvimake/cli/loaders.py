"""How a `dodo.py` is read: by our program, and by plain `doit` in a project of cvimake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doit.cmd_base import DodoTaskLoader, TaskLoader2
from doit.exceptions import InvalidDodoFile


class Loader(DodoTaskLoader):
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
