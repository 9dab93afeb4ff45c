"""Runs one action: it begins with an empty workspace, and ends with exactly the declared files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cvimake.core import digest, lock
from cvimake.core.action import Action
from cvimake.core.capacity import ONE_CORE, Share
from cvimake.core.content import Contents, State
from cvimake.core.errors import CvimakeError
from cvimake.core.publication import publish
from cvimake.core.removal import remove_tree
from cvimake.execution import failures, logs, parts, results, snapshot
from cvimake.execution.engine import Command, Engine, Mount
from cvimake.execution.growth import Growth, bounds
from cvimake.execution.workspace import workspace
from cvimake.toolchain.container.process_group import MEMORY, PROCESSES

# The working directory of a tool. Some write the path into their results, so it is the same everywhere.
WORKSPACE = "/workspace"
# The folder of all inputs that are kept, and in it that of the locks of actions that run.
INPUTS = Path("build/.inputs")
LOCKS = ".locks"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """The files that an action read and wrote.

    Attributes:
        inputs: the states of the files that the tool read, by their paths.
        outputs: the sha256 of the files that it wrote, by their paths.
        seconds: how long it ran, where another machine has measured that.
        cores: on how many cores, where another machine has decided that.
    """

    inputs: Mapping[str, State]
    outputs: Mapping[str, str]
    seconds: float | None = None
    cores: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Runs the actions of one project through an engine.

    Attributes:
        root: the project's folder; relative paths of an action are relative to it.
        image: the image's name or id.
        contents: what the build knows of files.
        variables: what the tools see beside an action's own variables; nothing that changes a result.
    """

    root: Path
    engine: Engine
    image: str
    contents: Contents = field(default_factory=Contents)
    variables: Mapping[str, str] = field(default_factory=dict)

    def log_path(self, action: Action) -> Path:
        """Return the path of an action's whole log."""
        return logs.log_path(self.root, action.name)

    def run(
        self,
        action: Action,
        watch: Callable[[bytes], None] = lambda _output: None,
        share: Share = ONE_CORE,
        key: Callable[[Mapping[str, State]], str] | None = None,
        growth: Growth | None = None,
    ) -> Ran:
        """Run an action and publish its outputs: all of them, or none.

        Args:
            action: the action to run.
            watch: is given the tool's output as it comes.
            share: the cores and memory that the tool may use.
            key: returns the action's key for the states of its inputs; without it, no parts of its work are
                kept if it is killed.
            growth: through which the tool is told that it may use more.

        Returns:
            The files that the tool read and wrote, with their digests.

        Raises:
            ToolFailedError: the tool failed, ran into a limit, or did not write what it should.
            CvimakeError: an input is missing or was changed, the engine failed, or the disk is full.
        """
        for path in action.paths():
            if not (self.root / path).is_file():
                raise CvimakeError(f"{action.name}: its input {path} is missing")
        with (
            failures.disk_errors(action.name, self.root),
            self._alone(action),
            workspace(self.root) as folder,
            parts.rescued(self.root, folder),
        ):
            return self._run(action, folder, watch, share, key, growth or Growth())

    @contextlib.contextmanager
    def _alone(self, action: Action) -> Iterator[None]:
        """Let an action run once at a time: its log and the inputs kept for it have one path each.

        The project's lock does this for stages. Commands such as `onnx:downgrade` do not take that lock.
        """
        locks = self._inputs() / LOCKS
        locks.mkdir(exist_ok=True)
        with lock.exclusive(locks / action.name, f"is running {action.name} in this project"):
            yield

    def _run(  # noqa: PLR0913, PLR0917 - those of `run`
        self,
        action: Action,
        workspace: Path,
        watch: Callable[[bytes], None],
        share: Share,
        key: Callable[[Mapping[str, State]], str] | None,
        growth: Growth,
    ) -> Ran:
        inner, private, stays = workspace / parts.FILES, workspace / "inputs", self._fresh_inputs(action)
        for place in (inner, private):
            place.mkdir(mode=0o755)
        inputs = snapshot.take(action, self.root, private, stays, self.engine.user, self.contents)
        texts = write_texts(action, stays)
        folders = {**inputs.folders, **parts.empty_folder(action, stays)}
        if action.parts and key:
            parts.bring(self.root, action, key(inputs.states), workspace, folders[action.parts])
        command = self.command(action, inner, {**inputs.files, **texts}, folders, share)
        make_mount_points(command)
        lasting = {**snapshot.lasting_files(action, self.root, stays, self.engine.user), **texts}
        log_path = self.log_path(action)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("wb") as log:
            by_hand = self.command(action, inner, lasting, folders, share)
            log.write(self._log_head(action, by_hand).encode())
            log.flush()
            ending = self.engine.run(dataclasses.replace(command, growth=growth), logs.WatchedLog(log, watch))
        if ending.exit_code != 0 or ending.timed_out or ending.out_of_memory or ending.overfull:
            reason = f"its tool ended with exit code {ending.exit_code}"
            raise failures.of_tool(action, ending, reason, log_path)
        if faults := results.faults(inner, action.outputs):
            raise failures.of_tool(action, ending, "; ".join(faults), log_path)
        inputs.check(action.name)
        outputs = {str(file.path): digest.of_file(inner / file.name) for file in action.outputs}
        publish({inner / file.name: self.root / file.path for file in action.outputs})
        return Ran(inputs=inputs.states, outputs=outputs)

    def command(
        self,
        action: Action,
        inner: Path,
        files: Mapping[str, Path],
        folders: Mapping[str, Path],
        share: Share,
    ) -> Command:
        """Return an action as a command for the engine.

        Args:
            action: the action to run.
            inner: the host's folder that is its working directory.
            files: the host's files that it sees in its working directory, by name.
            folders: the host's folders that it sees, by the path at which it sees them.
            share: the cores and memory that it may use.
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
            environment={**action.environment, **_bounds(action, share), **self.variables},
            mounts=tuple(mounts),
            working_directory=WORKSPACE,
            user=self.engine.user,
            limits=action.limits,
            results=tuple(file.name for file in action.outputs),
            parts=parts.FOLDER if action.parts else "",
        )

    def _fresh_inputs(self, action: Action) -> Path:
        """Return an empty folder for inputs that are not in the project in the form that an action wants.

        It stays after the run, so that the line that repeats the stage by hand goes on working.
        """
        kept = self._inputs() / logs.as_path(action.name)
        if kept.exists():
            remove_tree(kept)
        kept.mkdir(parents=True)
        return kept

    def _inputs(self) -> Path:
        """Return the folder of all inputs that are kept; no other user can enter it."""
        folder = self.root / INPUTS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _log_head(self, action: Action, command: Command) -> str:
        """Return the first lines of a log, with the line that repeats the stage by hand."""
        user, group = command.user
        by_hand = self.engine.by_hand(command, "$W")
        # mktemp makes it ours, and only root runs the command as another user.
        owner = f' && chown {user}:{group} "$W"' if os.geteuid() == 0 else ""
        return (
            f"# {action.name}: to run this stage by hand, paste the next line; the results are then in $W.\n"
            f"W=$(mktemp -d){owner} && {by_hand}\n\n"
        )


def write_texts(action: Action, folder: Path) -> dict[str, Path]:
    """Write the generated files of an action to a folder; return their paths by name."""
    for text in action.texts:
        (folder / text.name).write_text(text.text, encoding="utf-8")
    return {text.name: folder / text.name for text in action.texts}


def make_mount_points(command: Command) -> None:
    """Make an empty file for each input in the working directory, and give the directory to the tool."""
    for name in command.inputs:
        # Otherwise the engine makes it, as root.
        (command.host_folder / name).touch()
    if os.geteuid() == 0:
        os.chown(command.host_folder, *command.user)


def _bounds(action: Action, share: Share) -> dict[str, str]:
    """Return the variables that tell a stage how many cores and how much memory it may use.

    They are no part of the action, since they do not change its result.
    """
    processes, memory = bounds(action.limits, share)
    return {PROCESSES: str(processes), MEMORY: str(memory)}
