"""Everything that decides a command's answer beside files: its arguments, variables, streams and rights."""

from __future__ import annotations

import hashlib
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The folder of kept answers, relative to the project's. Only its owner has any rights to it.
FOLDER = "build/.answers"
# With this variable, each command does all of its work, and keeps no answer.
VARIABLE = "CVIMAKE_NO_ANSWERS"
# Shells change them from command to command, and nothing here reads them.
_UNREAD = frozenset({"_", "OLDPWD", "SHLVL"})


class Request:
    """A command as it was given.

    Attributes:
        digest: equal for requests that have the same answer as long as all files are the same. It holds
            the environment's variables, among which are secrets, so only the digest is ever written.
        folder: in which it was given.
        path: the file of its answer, relative to the folder.
    """

    def __init__(self, folder: str, told: object) -> None:
        self.folder = folder
        self.digest = hashlib.blake2b(
            repr((folder, told)).encode("utf-8", "surrogateescape"), digest_size=32
        ).digest()
        self.path = f"{FOLDER}/{self.digest.hex()[:24]}"


def of_process(arguments: Sequence[str]) -> Request | None:
    """Return the request that this process was started with; None if it is to have no kept answer.

    Args:
        arguments: those of the command line.
    """
    variables = os.environ
    if variables.get(VARIABLE) or None in (sys.stdin, sys.stdout, sys.stderr):  # noqa: TID251 - terminal.py is slow to import
        return None
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    except OSError:
        return None
    read = sorted((name, value) for name, value in variables.items() if name not in _UNREAD)
    rights = (os.getresuid(), os.getresgid(), sorted(os.getgroups()))
    python = (sys.version, sys.executable, sys.prefix, sys.base_prefix, sys.flags, sys.path, sys.warnoptions)
    return Request(folder, (list(arguments), read, rights, python, [_stream(number) for number in range(3)]))


def began() -> float:
    """Return the time at which this process began, in seconds since 1970; 0 if that cannot be told."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib is slow to import
            # The name of the program, in brackets, can hold any character.
            fields = file.read().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - (int(fields[19]) - 1) / ticks
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.time() - age


def _stream(number: int) -> tuple[int, int] | None:
    """Return the size of the terminal that a standard stream is; None if it is none."""
    if not os.isatty(number):
        return None
    try:
        size = os.get_terminal_size(number)
    except OSError:
        return (0, 0)
    return (size.columns, size.lines)
