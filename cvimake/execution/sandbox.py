"""Runs one Action: an empty workspace in, exactly the declared files out."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cvimake.core import digest, lock, tail
from cvimake.core.action import Action, Ending, Output
from cvimake.core.capacity import own_share
from cvimake.core.content import Contents, State
from cvimake.core.errors import CvimakeError, DiskError, ToolFailedError, harmless
from cvimake.core.publication import publish
from cvimake.core.removal import remove_tree
from cvimake.execution import snapshot
from cvimake.execution.engine import Command, Engine, Mount
from cvimake.execution.workspace import workspace
from cvimake.toolchain.container.process_group import MEMORY, PROCESSES

# Where a tool finds itself. Some write the path into their results, so it is the same everywhere.
WORKSPACE = "/workspace"
# Some steps print a line for each layer and comparison; nothing sane prints more than this.
LOG_LIMIT = 256 * 1024 * 1024
# Of the memory that a step may take at most, what it should reckon with: its estimates are not exact.
_SHARE_OF_LIMIT = 0.85
_HEAD = 64
# Of a long log, what its failure is looked for in.
_LOG_END = 4 * 1024 * 1024
# And so much of each line: a pattern's time grows with the square of a line's length.
_LONGEST_LINE = 4096


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What an action read and wrote.

    Attributes:
        inputs: the states of the files that the tool read, by their paths.
        outputs: the sha256 of the files that it wrote, by their paths.
    """

    inputs: Mapping[str, State]
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Runs Actions of one project through an engine.

    Attributes:
        root: the project's folder; relative paths of an Action are meant from here.
        image: the image's name or id.
        contents: what the build knows of files.
    """

    root: Path
    engine: Engine
    image: str
    contents: Contents = field(default_factory=Contents)

    def log_path(self, action: Action) -> Path:
        """Where an action's full log is kept."""
        return log_path(self.root, action.name)

    def run(self, action: Action, watch: Callable[[bytes], None] = lambda _output: None) -> Ran:
        """Runs an action and publishes its outputs, all of them or none.

        Args:
            action: what to run.
            watch: is given what the tool prints, as it comes.

        Returns:
            The bytes that the tool read and wrote, by their digests.

        Raises:
            ToolFailedError: the tool failed, ran into a limit, or did not write what it should.
            CvimakeError: an input is missing or was changed, the engine failed, or the disk is full.
        """
        for path in action.paths():
            if not (self.root / path).is_file():
                raise CvimakeError(f"{action.name}: its input {path} is missing")
        with disk_errors(action.name, self.root), self._alone(action), workspace(self.root) as folder:
            return self._run(action, folder, watch)

    @contextlib.contextmanager
    def _alone(self, action: Action) -> Iterator[None]:
        """Runs an action once at a time: its log and the inputs that are kept for it have one place.

        A stage is one at a time by its project's lock, which commands such as `onnx:downgrade` do not take.
        """
        locks = self._inputs() / ".locks"
        locks.mkdir(exist_ok=True)
        with lock.exclusive(locks / action.name, f"is running {action.name} in this project"):
            yield

    def _run(self, action: Action, workspace: Path, watch: Callable[[bytes], None]) -> Ran:
        inner, private, stays = workspace / "files", workspace / "inputs", self._fresh_inputs(action)
        for place in (inner, private):
            place.mkdir(mode=0o755)
        inputs = snapshot.take(action, self.root, private, stays, self.engine.user, self.contents)
        texts = self._texts(action, stays)
        command = self._command(action, inner, {**inputs.files, **texts}, inputs.folders)
        self._make_places(command)
        lasting = {**snapshot.lasting_files(action, self.root, stays, self.engine.user), **texts}
        kept = self.log_path(action)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("wb") as log:
            by_hand = self._command(action, inner, lasting, inputs.folders)
            log.write(self._log_head(action, by_hand).encode())
            log.flush()
            ending = self.engine.run(command, _WatchedLog(log, watch))
        if ending.exit_code != 0 or ending.timed_out or ending.out_of_memory or ending.overfull:
            raise self._failed(action, ending, f"its tool ended with exit code {ending.exit_code}")
        _open_up(inner, [file.name for file in action.outputs])
        faults = [fault for file in action.outputs if (fault := _fault(inner / file.name, file))]
        if faults:
            raise self._failed(action, ending, "; ".join(faults))
        inputs.check(action.name)
        outputs = {str(file.path): digest.of_file(inner / file.name) for file in action.outputs}
        publish({inner / file.name: self.root / file.path for file in action.outputs})
        return Ran(inputs=inputs.states, outputs=outputs)

    def _command(
        self, action: Action, inner: Path, files: Mapping[str, Path], folders: Mapping[str, Path]
    ) -> Command:
        """An action as a command.

        Args:
            action: what to run.
            inner: the host's folder that is its working directory.
            files: where the files lie that it finds there, by name.
            folders: where the folders lie that it finds elsewhere, by where it finds them.
        """
        mounts = [Mount(source=inner, target=WORKSPACE, read_only=False)]
        mounts += [
            Mount(source=source, target=f"{WORKSPACE}/{name}", read_only=True)
            for name, source in files.items()
        ]
        mounts += [Mount(source=source, target=target, read_only=True) for target, source in folders.items()]
        return Command(
            name=action.name,
            image=self.image,
            argv=action.argv,
            environment={**action.environment, **_share(action)},
            mounts=tuple(mounts),
            working_directory=WORKSPACE,
            user=self.engine.user,
            limits=action.limits,
            results=tuple(file.name for file in action.outputs),
        )

    def _fresh_inputs(self, action: Action) -> Path:
        """An empty folder for what an action reads and does not lie in the project as it wants it.

        It stays, so that the line that repeats the step by hand goes on working.
        """
        kept = self._inputs() / _as_path(action.name)
        if kept.exists():
            remove_tree(kept)
        kept.mkdir(parents=True)
        return kept

    def _inputs(self) -> Path:
        """The folder of what is kept of the inputs of all actions; no other user can enter it."""
        folder = self.root / "build" / ".inputs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @staticmethod
    def _texts(action: Action, folder: Path) -> dict[str, Path]:
        """Writes the generated files of an action into a folder; returns where each lies, by name."""
        for text in action.texts:
            (folder / text.name).write_text(text.text, encoding="utf-8")
        return {text.name: folder / text.name for text in action.texts}

    @staticmethod
    def _make_places(command: Command) -> None:
        """Makes an empty file for each input in the working directory, which becomes the tool's own."""
        for name in command.inputs:
            # Otherwise the engine makes the place for it, as root.
            (command.host_folder / name).touch()
        if os.geteuid() == 0:
            os.chown(command.host_folder, *command.user)

    def _log_head(self, action: Action, command: Command) -> str:
        user, group = command.user
        by_hand = self.engine.by_hand(command, "$W")
        # mktemp makes it ours, and only root runs the command as another user.
        owner = f' && chown {user}:{group} "$W"' if os.geteuid() == 0 else ""
        return (
            f"# {action.name}: to run this stage by hand, paste the next line; the results are then in $W.\n"
            f"W=$(mktemp -d){owner} && {by_hand}\n\n"
        )

    def _failed(self, action: Action, ending: Ending, reason: str) -> ToolFailedError:
        """Return the cause and the remedy of a known failure, else the reason and the log's last lines."""
        from cvimake.toolchain.diagnose import diagnose, telling  # noqa: PLC0415 - many patterns, for failures alone

        kept = self.log_path(action)
        _, lines = read_log(kept, _LOG_END)
        lines = [line[:_LONGEST_LINE] for line in lines]
        found = diagnose(ending, "\n".join(lines), action.limits)
        if found is None:
            last = telling(lines)[-tail.LINES :]
            return ToolFailedError(f"{action.name}: {reason}", log=kept, excerpt=last)
        return ToolFailedError(
            f"{action.name}: {found.cause}", found.remedy, log=kept, known=found.id, link=found.link
        )


class _WatchedLog:
    """A log file of bounded size, at which somebody may look over the shoulder."""

    def __init__(self, file: BinaryIO, watch: Callable[[bytes], None]) -> None:
        self._file = file
        self._watch = watch
        self._left = LOG_LIMIT

    def write(self, output: bytes) -> None:
        self._watch(output)
        if self._left > 0:
            self._file.write(output[: self._left])
            self._left -= len(output)
            if self._left <= 0:
                self._file.write(f"\ncvimake: more than {LOG_LIMIT} bytes; the rest is left out\n".encode())
            self._file.flush()


@contextlib.contextmanager
def disk_errors(name: str, root: Path) -> Iterator[None]:
    """Turn every OSError into an error that names the action, and says what to do.

    Raises:
        DiskError: in the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskError(
                f"{name}: the disk is full", f"Make room for {root / 'build'} and start again."
            ) from error
        raise DiskError(f"{name}: {error}") from error


def log_path(root: Path, name: str) -> Path:
    """Where the full log of a project's action is kept."""
    return root / "build" / "logs" / f"{_as_path(name)}.log"


def write_note(root: Path, name: str, text: str) -> None:
    """Writes a log for an action that ended well without being run."""
    path = log_path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {name}\n\n{text}\n", encoding="utf-8")


def _as_path(name: str) -> str:
    """MODEL/STAGE: no name holds a slash, so that no two actions share a place."""
    return name.replace(":", "/")


def _share(action: Action) -> dict[str, str]:
    """What a step may take of the machine; no part of the action, since it does not change the result."""
    share = own_share()
    bounds = [bound for bound in (action.limits.memory, share.free) if bound]
    return {PROCESSES: str(share.cores), MEMORY: str(int(min(bounds) * _SHARE_OF_LIMIT))}


def _fault(path: Path, output: Output) -> str:
    """What is wrong with a file that the tool should have written; empty if nothing."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return f"its tool did not write {output.name}"
    # A link could point at any file of the host.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return f"{output.name} is not a plain file"
    if status.st_size == 0:
        return f"its tool left {output.name} empty"
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if not output.kind.fits(file.read(_HEAD)):
            return f"{output.name} is not a file of the kind {output.kind.name}"
    return ""


def _open_up(folder: Path, names: Sequence[str]) -> None:
    """Takes back rights that a tool took from the results and their folder."""
    folder.chmod(0o755)
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)


def read_log(path: Path, end: int | None = None) -> tuple[str, list[str]]:
    """The line of a log that repeats its step by hand, and the tool's own lines.

    Of a progress bar there is only what it showed last; empty lines are left out, and characters that would
    steer a terminal are replaced.

    Args:
        path: where it is.
        end: how many bytes of its end are enough; None for all of it.

    Raises:
        OSError: it cannot be read.
    """
    # Read as bytes: text mode would turn the bars' carriage returns into line ends.
    with path.open("rb") as file:
        head = file.readline() + file.readline()
        if end is not None:
            file.seek(max(len(head), path.stat().st_size - end))
        text = file.read().decode("utf-8", errors="replace")
    lines = (harmless(line.rstrip().rsplit("\r", 1)[-1]) for line in text.split("\n"))
    return head.decode(errors="replace").rstrip("\n").partition("\n")[2], [line for line in lines if line]
