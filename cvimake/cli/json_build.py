"""`run --json`: the events of a build go to standard output, and everything else to standard error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from doit.cmd_base import Command
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

from cvimake.builder.events import EventStream
from cvimake.builder.json_reporter import JsonReporter
from cvimake.cli.command_line import refusal
from cvimake.core import terminal
from cvimake.core.errors import EXIT_REFUSED, CvimakeError


@dataclass
class Told:
    """A build that is told to a program.

    Attributes:
        exit_code: how it has ended; that of a fault of the program, as long as nobody says otherwise.
    """

    reporter: JsonReporter
    exit_code: int = EXIT_REFUSED


@contextlib.contextmanager
def told_as_json(outfile: object, command: Command, arguments: Sequence[str]) -> Iterator[Told]:
    """Tell a build as events. However it ends, the last event says so.

    Args:
        outfile: the name of the file that takes the events; standard output if it is no text.
        command: the build.
        arguments: what it is to build.
    """
    with _opened(outfile) as out, contextlib.redirect_stdout(terminal.errors()):
        told = Told(JsonReporter(EventStream(out)))
        try:
            yield told
        except SystemExit as error:
            told.exit_code = error.code if isinstance(error.code, int) else EXIT_REFUSED
            if isinstance(error.__cause__, CvimakeError):
                told.reporter.tell(error.__cause__)
            raise
        except (CmdParseError, InvalidCommand, InvalidDodoFile, InvalidTask) as error:
            # People are told on standard error.
            told.reporter.tell(refusal(error, command, arguments))
            raise
        finally:
            told.reporter.finish(told.exit_code)


@contextlib.contextmanager
def _opened(outfile: object) -> Iterator[TextIO]:
    """Open a file by its name; otherwise take standard output, or nothing where that is closed."""
    if isinstance(outfile, str) or terminal.output() is None:
        with Path(outfile if isinstance(outfile, str) else os.devnull).open("w", encoding="utf-8") as opened:
            yield opened
    else:
        yield terminal.output()
