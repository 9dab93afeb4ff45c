"""Runs one command and leaves no process of it behind: `supervisor.py LARGEST_FILE COMMAND...`.

It is a "child subreaper": it becomes the parent of every process of the command whose own parent has ended.
So it finds all of them, also those that left the command's session or process group. It kills them when the
command ends, or when its own standard input ends. That is a pipe from whoever started the supervisor, and
ends with that process, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

# A constant of prctl(2).
_SET_CHILD_SUBREAPER = 36
_SECONDS = 1.0
_KILLED = 128 + signal.SIGKILL


def descendants(process: int) -> list[int]:
    """Return the numbers of all processes below one."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - it is asked for often
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{name}/stat").read_text(encoding="utf-8", errors="replace")
            # The name in front is in brackets, and may hold any character.
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(name))
    found: list[int] = []
    left = [process]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def main(largest_file: str, *command: str) -> int:
    """Run the command; return its exit code as a shell tells it."""
    if ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("this kernel cannot make a process the parent of processes whose own parent has ended")
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    # Python ignores these signals, and programs that it starts would inherit that.
    usual = [signal.SIGPIPE, signal.SIGXFSZ]
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=nothing, setsigdef=usual)
    try:
        return _wait(child)
    finally:
        _end_all()


def _wait(child: int) -> int:
    """Wait for the command, or for the end of standard input; collect other processes that end meanwhile."""
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([0, ended], [], [], _SECONDS)
        with contextlib.suppress(ChildProcessError):
            while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                if waited[0] == child:
                    code = os.waitstatus_to_exitcode(waited[1])
                    return code if code >= 0 else 128 - code
        if 0 in ready:
            return _KILLED


def _end_all() -> None:
    """Kill all processes below this one, until there is none."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for process in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
