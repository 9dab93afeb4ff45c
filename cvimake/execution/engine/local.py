"""Runs commands without containers: in a folder of their own, and without other isolation."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from cvimake.core import system
from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Capacity
from cvimake.core.errors import EngineError
from cvimake.execution.engine import NOBODY, Command, Log, local_place, supervisor
from cvimake.execution.engine.local_place import Place
from cvimake.execution.engine.watch import Usage, deleted, of_folder, watched
from cvimake.toolchain import commands

_READ_SIZE = 65536
# While a command prints nothing, this is how often we look whether it has ended.
_LOOK_SECONDS = 0.5
_BOUNDLESS = Limits(workspace=sys.maxsize, files=sys.maxsize)
_SUPERVISOR = Path(supervisor.__file__)
# Within this time a supervisor that was told to end has killed everything below it, unless a process hangs
# in the kernel.
_END_SECONDS = 30.0
# Where distributions install libfaketime, below /usr or /usr/local.
_FAKETIME = (
    "lib/faketime/libfaketime.so.1",
    "lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "lib64/faketime/libfaketime.so.1",
)


class LocalEngine:
    """An engine over a toolchain that is installed on this machine.

    The image of a command is the folder of that toolchain. Two things that make results reproducible are
    kept: no address randomisation, and a fixed clock where libfaketime is installed. Files and network are
    not isolated, and memory is not limited.

    Args:
        prefix: the folder of the toolchain.
        environment: the variables that cvimake was started with. A command sees none of them.
    """

    def __init__(self, prefix: Path, environment: Mapping[str, str]) -> None:
        self.prefix, self._variables = prefix, environment
        self.clock = _find_clock(prefix)
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def shortcomings(self) -> str:
        """Return what a container would give and this engine does not."""
        lacks = "stages run on this machine without containers: no isolation of files and network"
        if not self.clock:
            lacks += ", and no fixed clock (libfaketime is not installed): results hold the time of day"
        return lacks

    def not_held(self) -> tuple[str, ...]:
        """Return what can differ between two machines, and so change the results of a stage."""
        clock = (
            () if self.clock else ("the clock: libfaketime is not installed, and files hold the time of day",)
        )
        return (
            "stages ran without containers: host name, and the paths of home, temporary and working folder",
            *clock,
        )

    @property
    def user(self) -> tuple[int, int]:
        """Return the caller. Root becomes the user `nobody`, if that user can run the toolchain's Python."""
        if os.geteuid() == 0 and self._is_open_to_all():
            return NOBODY
        return (os.geteuid(), os.getegid())

    def capacity(self) -> Capacity:
        """See `Engine.capacity`."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Capacity.of_machine(len(os.sched_getaffinity(0)), memory)

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        with self._guard:
            self._cancelled = True
            for process in self._running:
                _end(process)

    def apart(self) -> LocalEngine:
        """See `Engine.apart`."""
        return LocalEngine(self.prefix, self._variables)

    def run(self, command: Command, log: Log) -> Ending:
        """See `Engine.run`."""
        with local_place.made_for(command) as place:
            for folder in (place.files, place.temporary):
                os.chown(folder, *command.user)
            try:
                ending = self._run(command, place, log)
            finally:
                _bring_parts(command, place)
            if ending.exit_code == 0:
                for name in command.results:
                    result = place.files / name
                    # Anything but a plain file stays, and is then missing in the host's folder.
                    if result.is_file() and not result.is_symlink():
                        shutil.move(result, command.host_folder / name)
            return ending

    def _run(self, command: Command, place: Place, log: Log) -> Ending:
        process = self._start(command, place)
        with self._guard:
            self._running.add(process)
            if self._cancelled:
                _end(process)
        before = of_folder(place.files.parent, _BOUNDLESS)

        def look() -> Usage:
            """Return how much more its files take than at the beginning, with deleted ones that are open."""
            now = of_folder(place.files.parent, _BOUNDLESS)
            device = place.files.stat().st_dev
            unseen = deleted(iter(supervisor.descendants(process.pid)), device)
            return Usage(now.size - before.size + unseen, now.files - before.files)

        try:
            with (
                watched(command.limits, look, lambda: _end(process)) as watch,
                command.growth.told(command.limits, place.files),
            ):
                for output in _printed(process):
                    log.write(output)
                code = process.wait()
        finally:
            _end(process)
            _bury(process)
            with self._guard:
                self._running.discard(process)
        if self._cancelled:
            raise EngineError(f"{command.name}: cancelled")
        return Ending(
            exit_code=code if code >= 0 else 128 - code,
            timed_out=watch.timed_out,
            overfull=watch.overfull,
        )

    def _start(self, command: Command, place: Place) -> subprocess.Popen[bytes]:
        """Start a command below a supervisor, which ends every process that the command has started."""
        if not system.program("setpriv", self._variables):
            raise EngineError(f"{command.name}: setpriv is missing", "The local engine needs util-linux.")
        variables = [f"{name}={value}" for name, value in self._environment(command, place).items()]
        # -I keeps the supervisor from loading the toolchain's libraries.
        argv = [
            *(sys.executable, "-I", str(_SUPERVISOR), str(command.limits.workspace)),
            *("setpriv", *self._rights(command), "env", "-i", *variables),
            *place.translate(self._argv(command)),
        ]
        try:
            return subprocess.Popen(
                argv,
                cwd=place.files,
                env=self._variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{command.name}: {error}") from error

    def removal(self, image: str) -> str:
        """See `Engine.removal`."""
        return f"rm -r {shlex.quote(image)}"

    def by_hand(self, command: Command, workspace: str) -> str:
        """See `Engine.by_hand`."""
        place = Place(Path(), Path("/tmp"), command.folders)  # noqa: S108 - of whoever pastes the line
        variables = [f"{name}={value}" for name, value in self._environment(command, place).items()]
        argv = place.translate(self._argv(command))
        return " && ".join(
            [*command.copies(workspace), f'cd "{workspace}"', f"env -i {shlex.join([*variables, *argv])}"]
        )

    def _rights(self, command: Command) -> list[str]:
        other = command.user != (os.geteuid(), os.getegid())
        return ["--no-new-privs", "--pdeathsig", "KILL", *(_as_user(command.user) if other else ()), "--"]

    def _argv(self, command: Command) -> list[str]:
        return [part.replace(commands.PREFIX, str(self.prefix)) for part in command.argv]

    def _environment(self, command: Command, place: Place) -> dict[str, str]:
        variables = {
            name: value.replace(commands.PREFIX, str(self.prefix))
            for name, value in command.environment.items()
        }
        variables |= {"HOME": str(place.temporary), "TMPDIR": str(place.temporary)}
        _, *others = variables.pop("LD_PRELOAD", "").split(":")
        # A library that is not installed here would be reported by each process.
        preloaded = [self.clock, *(Path(path) for path in others if Path(path).is_file())]
        if any(preloaded):
            variables["LD_PRELOAD"] = ":".join(str(path) for path in preloaded if path)
        return variables

    def _is_open_to_all(self) -> bool:
        check = ["setpriv", *_as_user(NOBODY), "--", str(self.prefix / "bin" / "python3"), "-c", ""]
        try:
            ended = subprocess.run(check, env=self._variables, capture_output=True, check=False)
        except OSError:
            return False
        return ended.returncode == 0


def _bring_parts(command: Command, place: Place) -> None:
    """Bring the parts of a command's work to the host's folder, as far as that is possible."""
    source = place.files / command.parts
    if command.parts and source.is_dir() and not source.is_symlink():
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(source, command.host_folder / command.parts, symlinks=True)


def _as_user(user: tuple[int, int]) -> tuple[str, ...]:
    """Return the arguments with which `setpriv` changes to a user and a group."""
    return ("--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups")


def _find_clock(prefix: Path) -> Path | None:
    """Return the path of libfaketime: the one in the toolchain's folder, or this machine's."""
    candidates = [prefix / "lib" / "libfaketime.so.1"]
    candidates += [root / name for root in (Path("/usr"), Path("/usr/local")) for name in _FAKETIME]
    return next((path for path in candidates if path.is_file()), None)


def _printed(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield the output of a command until it ends, even if another process holds its pipe open."""
    assert process.stdout  # noqa: S101 - for the types
    while True:
        has_ended = process.poll() is not None
        ready, _, _ = select.select([process.stdout], [], [], 0 if has_ended else _LOOK_SECONDS)
        if not ready and has_ended:
            return
        if ready:
            output = process.stdout.read(_READ_SIZE)
            if not output:
                return
            yield output


def _end(process: subprocess.Popen[bytes]) -> None:
    """Make a supervisor kill everything that it has started, by closing its standard input."""
    if process.stdin:
        process.stdin.close()


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Wait until a supervisor has ended that was told to end; kill it where it takes too long."""
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
