"""The program `cvimake`: doit with our commands, an orderly end, and a `--help` for every command."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from doit.cmd_base import Command
from doit.cmdparse import CmdParseError
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidCommand
from doit.plugin import PluginDict

from cvimake.cli import surroundings
from cvimake.cli.closed_output import leave, leave_unwritable, open_missing
from cvimake.cli.commands import PLUGINS, PURPOSES
from cvimake.cli.loaders import Loader
from cvimake.core import terminal
from cvimake.core.errors import EXIT_NOT_POSSIBLE, CvimakeError
from cvimake.core.invocation import INVOKED_FROM

if TYPE_CHECKING:
    from cvimake.cli.answers.partial import Partial

# The file belongs to another user, or the file system is read-only.
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_HELP = frozenset({"-h", "--help"})
# The commands that only look, beside a build that has nothing to do.
_LASTING = frozenset({"list", "plan", "why"})


class _Commands(PluginDict):
    """All commands, doit's own and ours, with what they have in common."""

    def get_plugin(self, key: str) -> type[Command]:
        """Return a command by its name."""
        return with_end_and_help(super().get_plugin(key))


class Main(DoitMain):
    """doit's command line with our commands.

    Attributes:
        BIN_NAME: what the user typed, for help texts.
    """

    def __init__(
        self,
        config_filenames: Sequence[str] = ("pyproject.toml", "doit.cfg"),
        partial: Partial | None = None,
    ) -> None:
        loader = Loader()
        loader.partial = partial
        super().__init__(loader, config_filenames, extra_config=PLUGINS)
        self.BIN_NAME = "./doit" if INVOKED_FROM in surroundings.variables() else "cvimake"

    def get_cmds(self) -> PluginDict:
        """Return all commands by their names."""
        return _Commands(super().get_cmds())

    def run(self, all_args: list[str]) -> int | None:
        """Run a command line; `--help` alone is the command `help`."""
        return super().run(["help"] if all_args[:1] == ["--help"] else all_args)


def with_end_and_help(command: type[Command]) -> type[Command]:
    """Return a command that prints its help on `--help`, and ends in order if nobody reads its output."""

    def parse_execute(self: Command, arguments: list[str]) -> int | None:
        try:
            if arguments and arguments[0] in _HELP:
                terminal.line(self.help())
                code: int | None = 0
            else:
                code = command.parse_execute(self, arguments)
            terminal.flush()
        except (CmdParseError, InvalidCommand) as error:
            # doit would print all options in a form that only a program can read.
            from cvimake.cli.command_line import refusal  # noqa: PLC0415 - loads pydantic, and a right command line does not need it

            refused = refusal(error, self, arguments)
            terminal.complain(refused)
            return refused.exit_code
        except BrokenPipeError as error:
            # doit itself would show a traceback.
            return leave(error)
        except sqlite3.OperationalError as error:
            return _refuse(f"the records in build/: {error}")
        except OSError as error:
            if error.errno not in _CLOSED:
                return leave_unwritable(error)
            return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return code

    purpose = PURPOSES.get(command.get_name(), command.doc_purpose)
    # The name of the class is the command's where it has no other.
    return type(command.__name__, (command,), {"parse_execute": parse_execute, "doc_purpose": purpose})


def _refuse(what: str) -> int:
    """Say that a file, or the database of the records, is not the user's, and return the exit code."""
    remedy = "Run ./doit as the user whose files these are, or make them yours (chown)."
    terminal.complain(CvimakeError(what, remedy))
    return EXIT_NOT_POSSIBLE


def has_lasting_answer(arguments: Sequence[str]) -> bool:
    """Tell whether a command prints the same again as long as nothing that it looks at has changed.

    `./doit --json` tells times of day.
    """
    if not arguments or arguments[0] not in Main().get_cmds():
        return "--json" not in arguments
    return arguments[0] in _LASTING or (arguments[0] == "run" and "--json" not in arguments)


def run(arguments: Sequence[str], partial: Partial | None = None) -> int:
    """Run a command line and return the exit code.

    Args:
        arguments: of the command line.
        partial: knows which models need no look; None to look at all.
    """
    open_missing()
    try:
        code = Main(partial=partial).run(list(arguments))
        terminal.flush()
    except BrokenPipeError as error:
        return leave(error)
    except OSError as error:
        return leave_unwritable(error)
    return int(code or 0)
