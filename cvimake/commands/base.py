"""What cvimake's own commands have in common."""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import Any

from doit.cmd_base import Command

from cvimake.errors import EXIT_NOT_POSSIBLE, CvimakeError
from cvimake.interruption import ends_cleanly


class PlainCommand(Command):  # type: ignore[misc] # doit has no type information
    """A command that does not need the graph. Errors are printed; their exit code is the command's."""

    takes_arguments = False

    @abstractmethod
    def perform(self, options: dict[str, Any], arguments: list[str]) -> int:
        """Does the work and returns the exit code."""

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """What doit calls."""
        if pos_args and not self.takes_arguments:
            sys.stderr.write(f"cvimake: {self.name} takes no arguments: {' '.join(pos_args)}\n")
            return EXIT_NOT_POSSIBLE
        with ends_cleanly("interrupted"):
            try:
                return self.perform(opt_values, pos_args)
            except CvimakeError as error:
                sys.stderr.write(f"cvimake: {error}\n")
                return error.exit_code
