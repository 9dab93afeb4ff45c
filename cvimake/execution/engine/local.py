"""Commands without containers: in a folder of their own, and nothing more between them and this machine."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Capacity
from cvimake.core.errors import EngineError
from cvimake.core.removal import remove_tree
from cvimake.execution.engine import NOBODY, PLACE, PLACE_PREFIX, Command, Log, supervisor
from cvimake.execution.engine.watch import Usage, deleted, of_folder, watched
from cvimake.toolchain import commands

_READ_SIZE = 65536
# As long as a command says nothing, this often it is seen whether it has ended.
_LOOK_SECONDS = 0.5
_BOUNDLESS = Limits(workspace=sys.maxsize, files=sys.maxsize)
_SUPERVISOR = Path(supervisor.__file__)
# A supervisor that was told to end has killed everything below it within this time, unless the kernel holds
# a process back.
_END_SECONDS = 30.0
# Where distributions put it.
_FAKETIME = (
    "lib/faketime/libfaketime.so.1",
    "lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "lib64/faketime/libfaketime.so.1",
)


class LocalEngine:
    """An engine over a toolchain that is installed on this machine.

    The image of a command is the folder of that toolchain. What holds the results still is kept as far as
    this machine has it: no address randomisation, and a fixed clock where libfaketime is installed. There is
    no isolation of files and network and no limit of memory.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.clock = _find_clock(prefix)
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def shortcomings(self) -> str:
        """What a container would give and this does not."""
        lacks = "stages run on this machine without containers: no isolation of files and network"
        if not self.clock:
            lacks += ", and no fixed clock (libfaketime is not installed): results hold the time of day"
        return lacks

    def not_held(self) -> tuple[str, ...]:
        """What can differ between two machines, and so change what a step writes."""
        clock = (
            () if self.clock else ("the clock: libfaketime is not installed, and files hold the time of day",)
        )
        return (
            "stages ran without containers: host name, and the paths of home, temporary and working folder",
            *clock,
        )

    @property
    def user(self) -> tuple[int, int]:
        """The caller; `nobody` for root, where nobody can run the toolchain's Python."""
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

    def run(self, command: Command, log: Log) -> Ending:
        """See `Engine.run`."""
        with _place(command) as place:
            for folder in (place.files, place.temporary):
                os.chown(folder, *command.user)
            ending = self._run(command, place, log)
            if ending.exit_code == 0:
                for name in command.results:
                    result = place.files / name
                    # What is no plain file is left, and so missing there.
                    if result.is_file() and not result.is_symlink():
                        shutil.move(result, command.host_folder / name)
            return ending

    def _run(self, command: Command, place: _Place, log: Log) -> Ending:
        timed_out = threading.Event()
        process = self._start(command, place)
        with self._guard:
            self._running.add(process)
            if self._cancelled:
                _end(process)

        def stop() -> None:
            timed_out.set()
            _end(process)

        timer = threading.Timer(command.limits.seconds, stop)
        timer.daemon = True
        timer.start()
        before = of_folder(place.files.parent, _BOUNDLESS)

        def look() -> Usage:
            """How much more its files take than at the beginning, those without a name among them."""
            now = of_folder(place.files.parent, _BOUNDLESS)
            device = place.files.stat().st_dev
            unseen = deleted(iter(supervisor.descendants(process.pid)), device)
            return Usage(now.size - before.size + unseen, now.files - before.files)

        try:
            with watched(command.limits, look, lambda: _end(process)) as watch:
                for output in _printed(process):
                    log.write(output)
                code = process.wait()
        finally:
            timer.cancel()
            _end(process)
            _bury(process)
            with self._guard:
                self._running.discard(process)
        if self._cancelled:
            raise EngineError(f"{command.name}: cancelled")
        return Ending(
            exit_code=code if code >= 0 else 128 - code,
            timed_out=timed_out.is_set(),
            overfull=watch.has_ended_it,
        )

    def _start(self, command: Command, place: _Place) -> subprocess.Popen[bytes]:
        """Starts a command below a supervisor, which ends with all that the command has started."""
        if not shutil.which("setpriv"):
            raise EngineError(f"{command.name}: setpriv is missing", "The local engine needs util-linux.")
        variables = [f"{name}={value}" for name, value in self._environment(command, place).items()]
        # The supervisor is not to load the toolchain's libraries.
        argv = [
            *(sys.executable, "-I", str(_SUPERVISOR), str(command.limits.workspace)),
            *("setpriv", *self._rights(command), "env", "-i", *variables),
            *place.translate(self._argv(command)),
        ]
        try:
            return subprocess.Popen(
                argv,
                cwd=place.files,
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
        place = _Place(Path(), Path("/tmp"), command.folders)  # noqa: S108 - of whoever pastes the line
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

    def _environment(self, command: Command, place: _Place) -> dict[str, str]:
        variables = {
            name: value.replace(commands.PREFIX, str(self.prefix))
            for name, value in command.environment.items()
        }
        variables |= {"HOME": str(place.temporary), "TMPDIR": str(place.temporary)}
        if self.clock:
            variables["LD_PRELOAD"] = str(self.clock)
        else:
            variables.pop("LD_PRELOAD", None)
        return variables

    def _is_open_to_all(self) -> bool:
        check = ["setpriv", *_as_user(NOBODY), "--", str(self.prefix / "bin" / "python3"), "-c", ""]
        try:
            return subprocess.run(check, capture_output=True, check=False).returncode == 0
        except OSError:
            return False


@dataclass(frozen=True)
class _Place:
    """Where one command runs.

    Attributes:
        files: its working directory.
        temporary: what it may use as it likes.
        folders: where the folders lie that it expects elsewhere, by where it expects them.
    """

    files: Path
    temporary: Path
    folders: dict[str, Path]

    def translate(self, argv: list[str]) -> list[str]:
        """The command with the folders where they are."""
        return [self._translated(part) for part in argv]

    def _translated(self, text: str) -> str:
        for expected, real in self.folders.items():
            text = text.replace(f"={expected}", f"={real}")
        return text


@contextlib.contextmanager
def _place(command: Command) -> Iterator[_Place]:
    """A new place with everything that the command reads, in copies.

    Root's is elsewhere: the project's own folders may be closed to the user that the command runs as.
    """
    beside = command.host_folder.parent
    within = "/var/tmp" if os.geteuid() == 0 else beside  # noqa: S108 - a random name
    root = Path(tempfile.mkdtemp(prefix=PLACE_PREFIX, dir=within))
    note = beside / PLACE
    try:
        note.symlink_to(root)
        os.chown(root, *command.user)
        files, temporary = root / "files", root / "tmp"
        files.mkdir()
        temporary.mkdir()
        folders = {target: root / target.strip("/") for target in command.folders}
        for target, source in command.folders.items():
            shutil.copytree(source, folders[target])
        for name, source in command.inputs.items():
            shutil.copyfile(source, files / name)
            _name_folders(files / name, folders)
            (files / name).chmod(0o444)
        yield _Place(files, temporary, folders)
    finally:
        with contextlib.suppress(OSError):
            remove_tree(root)
        note.unlink(missing_ok=True)


def _name_folders(file: Path, folders: dict[str, Path]) -> None:
    """Names the folders in a list of samples where they are."""
    if file.suffix == ".txt" and folders:
        text = file.read_text(encoding="utf-8")
        for expected, real in folders.items():
            text = text.replace(f"{expected}/", f"{real}/")
        file.write_text(text, encoding="utf-8")


def _as_user(user: tuple[int, int]) -> tuple[str, ...]:
    """What makes `setpriv` change to a user and a group."""
    return ("--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups")


def _find_clock(prefix: Path) -> Path | None:
    """The libfaketime of this machine, or where somebody without root has put it."""
    candidates = [prefix / "lib" / "libfaketime.so.1"]
    candidates += [root / name for root in (Path("/usr"), Path("/usr/local")) for name in _FAKETIME]
    return next((path for path in candidates if path.is_file()), None)


def _printed(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The output of a command, as it comes, until it ends. A pipe that something else holds open is left."""
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
    """Tells a supervisor to kill what it has started: its standard input ends."""
    if process.stdin:
        process.stdin.close()


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Waits until a supervisor that was told so has ended, and no longer than it takes if it can."""
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
