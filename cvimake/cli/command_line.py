"""Says in plain words why doit refuses a command line."""

from __future__ import annotations

import getopt
import re
from collections.abc import Mapping, Sequence

from doit.cmd_base import Command
from doit.cmdparse import CmdParse, CmdParseError
from doit.exceptions import InvalidCommand

from cvimake.cli.help import GROUPS
from cvimake.core.errors import EXIT_REFUSED, CvimakeError
from cvimake.project.mistakes import did_you_mean

# The message of `forget`, `clean` and `list` for a name that they do not know.
_NO_TASK = re.compile(r"'(.*)' is not a task\.", re.DOTALL)
_NUMBERS = {int: "a whole number", float: "a number"}


class CommandLineError(CvimakeError):
    """doit refuses the command line or the `dodo.py`."""

    id = "command-line"
    exit_code = EXIT_REFUSED


def refusal(error: Exception, command: Command, arguments: Sequence[str]) -> CommandLineError:
    """Return why doit refuses a command line.

    Args:
        error: doit's own words for it.
        command: the command that was to run.
        arguments: the command line without the command's name.
    """
    program, name = command.bin_name, command.get_name()
    if isinstance(error, CmdParseError) and (cause := wrong_option(command.cmdparser, arguments)):
        return CommandLineError(f"{name}: {cause}", f"`{program} help {name}` shows its options.")
    if isinstance(error, InvalidCommand) and (unknown := _unknown_name(error)):
        is_build = name == "run"
        kinds = "command, model, stage or result" if is_build else "model, stage or result"
        known = [task.name for task in getattr(command, "task_list", ())]
        known += [one for group in GROUPS.values() for one in group] if is_build else []
        return CommandLineError(
            f"there is no {kinds} '{unknown}'{did_you_mean(unknown, known)}",
            f"`{program} list` shows the models" + (f", `{program} help` the commands." if is_build else "."),
        )
    cause, _, remedy = str(error).strip().partition("\n")
    return CommandLineError(cause, remedy)


def wrong_option(parser: CmdParse, arguments: Sequence[str]) -> str:
    """Return what is wrong with the options of a command line; an empty text if that cannot be told."""
    try:
        given, _ = getopt.gnu_getopt(list(arguments), parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        is_long = any(argument.partition("=")[0] == f"--{error.opt}" for argument in arguments)
        shown = f"--{error.opt}" if is_long or len(error.opt) > 1 else f"-{error.opt}"
        return _wrong_name(shown, _takes_value(parser))
    for shown, value in given:
        option, _ = parser.get_option(shown)
        if option.type in {bool, list}:
            continue
        try:
            option.str2type(value)
        except CmdParseError:
            fitting = f"one of {', '.join(option.choices)}" if option.choices else _NUMBERS[option.type]
            return f"{shown} needs {fitting}, and is given '{value}'"
    return ""


def _takes_value(parser: CmdParse) -> dict[str, bool]:
    """Return the options of a command as they are typed, and whether each takes a value."""
    letters = re.findall("(.)(:?)", parser.get_short())
    names = [each.partition("=") for each in parser.get_long()]
    return {f"-{letter}": bool(colon) for letter, colon in letters} | {
        f"--{name}": bool(sign) for name, sign, _ in names
    }


def _wrong_name(shown: str, takes_value: Mapping[str, bool]) -> str:
    """Return why getopt refuses an option.

    Args:
        shown: the option as it was typed, without a value.
        takes_value: the options that there are, and whether each takes a value.
    """
    is_long = shown.startswith("--")
    if shown in takes_value:
        needed = f"{shown} needs a value: {shown}{'=' if is_long else ' '}VALUE"
        return needed if takes_value[shown] else f"{shown} takes no value"
    longer = sorted(option for option in takes_value if is_long and option.startswith(shown))
    if longer:
        return f"{shown} can mean {' or '.join(longer)}"
    return f"there is no option {shown}{did_you_mean(shown, takes_value)}"


def _unknown_name(error: InvalidCommand) -> str:
    """Return the name that doit does not know; an empty text if it refuses something else."""
    if error.not_found is not None:
        return error.not_found
    found = _NO_TASK.fullmatch(str(error))
    return found[1] if found else ""
