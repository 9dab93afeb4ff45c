"""Processes that run the same program, each on its share of the data, and exchange their findings."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

# The variable with the number of processes that a stage may use; the sandbox sets it.
PROCESSES = "CVIMAKE_PROCESSES"
# The variable with the bytes that all of them together may hold.
MEMORY = "CVIMAKE_MEMORY"
# Two files in the working directory. With the first, a running stage tells the sandbox that it could use more
# processes now. In the second, the sandbox tells it that it may: their number and the bytes, in one line.
TAKES, GRANT = ".takes_more", ".grant"


@dataclass(frozen=True)
class Bounds:
    """The most that this stage may use.

    Attributes:
        processes: their number.
        memory: the bytes that all of them together may hold; None for no limit.
    """

    processes: int
    memory: int | None


def bounds() -> Bounds:
    """Return the bounds of this moment: processes can become more while the stage runs, but not fewer."""
    processes, memory = os.environ.get(PROCESSES, "1"), os.environ.get(MEMORY, "")
    # As a rule, there is no such file.
    with contextlib.suppress(OSError, ValueError):
        processes, memory = Path(GRANT).read_text(encoding="ascii").split()
    return Bounds(max(1, int(processes)), int(memory) if memory else None)


def take_more(*, can: bool) -> None:
    """Tell the sandbox whether this stage could use more processes from now on; at first it could not."""
    with contextlib.suppress(OSError):
        if can:
            Path(TAKES).touch()
        else:
            Path(TAKES).unlink()


@dataclass(frozen=True)
class _Failure:
    """The message of a process that cannot go on, in the place of a value."""

    text: str


class ProcessGroup:
    """This process and its siblings.

    Values go through pipes: a container has little shared memory.

    Some processes can be helpers: they come later, when the stage has got more cores, and end before it does.

    Attributes:
        rank: this process's number; 0 is the one that has started the others.
        size: the number of processes. Those that were there before a helper came do not count it, but for the
            first one.
    """

    def __init__(self, size: int) -> None:
        """Fork, and return in every process. Call it before any other thread is made."""
        self.rank, self.size = 0, 1
        # Not a pipe or a semaphore: the kernel releases a lock on a file when its process dies.
        self._taken = tempfile.TemporaryFile()  # noqa: SIM115 - it is open until the process ends
        self._siblings: list[tuple[int, Connection]] = []
        self._fork(size)
        self._lasting = size

    def grow(self, size: int) -> None:
        """Fork helpers, and return in each of them too. Only the first process calls it.

        A helper has everything that the first process has at this moment. It calls `all_gather` where the
        first process does, and `dismiss` in the end. The threads of a network do not live on in it: it must
        not release a network, which would wait for them.

        Args:
            size: the number of processes that there are then; no fewer than there are.
        """
        self._fork(size)

    def dismiss(self) -> None:
        """End the helpers, in which it does not return. All processes call it, after an `all_gather`."""
        if self.rank >= self._lasting:
            # Nothing is released, and no file is written or removed.
            os._exit(0)
        if self.rank == 0:
            self._part_from(self._lasting)

    def _fork(self, size: int) -> None:
        sys.stdout.flush()
        first, self.size = self.size, size
        for rank in range(first, size):
            ours, theirs = Pipe()
            process = os.fork()
            if process == 0:
                for _, other in self._siblings:
                    # Otherwise a sibling would not notice that the first process has ended.
                    other.close()
                ours.close()
                self.rank, self._siblings, self._first = rank, [], theirs
                self._speak_no_more()
                return
            theirs.close()
            self._siblings.append((process, ours))

    def all_gather(self, value: Any) -> list[Any]:  # noqa: ANN401 - whatever can be pickled
        """Return every process's value, by rank. All processes have to call it, in the same order."""
        if self.rank:
            try:
                self._first.send(value)
                values: list[Any] = self._first.recv()
            except (EOFError, OSError):
                # The first process has ended, and has said why.
                os._exit(1)
            return values
        values = [value, *(self._receive(place) for place in range(1, self.size))]
        for place in range(1, self.size):
            self._send(place, values)
        return values

    def take(self) -> int:
        """Return the least number, from 0 on, that no process has taken before."""
        file = self._taken.fileno()
        fcntl.lockf(file, fcntl.LOCK_EX)
        number = int.from_bytes(os.pread(file, 8, 0), "little")
        os.pwrite(file, (number + 1).to_bytes(8, "little"), 0)
        fcntl.lockf(file, fcntl.LOCK_UN)
        return number

    def shrink(self, size: int) -> None:
        """Go on with fewer processes; the others end here."""
        if self.rank >= size:
            sys.exit(0)
        for process, sibling in self._siblings[size - 1 :]:
            sibling.close()
            os.waitpid(process, 0)
        del self._siblings[size - 1 :]
        self.size = self._lasting = size

    def wait(self) -> None:
        """Wait in the first process until all others have ended successfully."""
        self._part_from(1)

    def _part_from(self, size: int) -> None:
        """Wait for the end of the processes from this number on."""
        for place, (process, sibling) in enumerate(self._siblings[size - 1 :], size):
            sibling.close()
            _, status = os.waitpid(process, 0)
            if status:
                self._end(place, status)
        del self._siblings[size - 1 :]
        self.size = size

    def _send(self, place: int, value: Any) -> None:  # noqa: ANN401 - whatever can be pickled
        try:
            self._siblings[place - 1][1].send(value)
        except OSError:
            self._lost(place)

    def _receive(self, place: int) -> Any:  # noqa: ANN401 - whatever was sent
        try:
            value = self._siblings[place - 1][1].recv()
        except (EOFError, OSError):
            self._lost(place)
        if isinstance(value, _Failure):
            sys.exit(f"{value.text}process {place} of {self.size} failed")
        return value

    def _lost(self, place: int) -> NoReturn:
        _, status = os.waitpid(self._siblings[place - 1][0], 0)
        self._end(place, status)

    def _end(self, place: int, status: int) -> NoReturn:
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        hint = ": there was not enough memory, or somebody killed it" if code == -9 else ""  # noqa: PLR2004 - SIGKILL
        sys.exit(f"process {place} of {self.size} {how}{hint}")

    def _speak_no_more(self) -> None:
        """Leave printing to the first process; it also prints the errors of this one."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

        def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            text = "".join(traceback.format_exception(kind, error, trace))
            try:
                self._first.send(_Failure(text))
            except OSError:
                sys.stderr.write(text)

        sys.excepthook = tell
