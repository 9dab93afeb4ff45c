"""A shell in a sandbox: a stage's inputs read-only, a folder that stays, and the stage's command.

A shell is an action whose command is bash. Its folder is below `build/shell`; its name is that of the stage,
of the model, or TOOLS.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import lock
from cvimake.core.action import Action, Folder, Input, Limits, Text
from cvimake.core.capacity import Share
from cvimake.core.errors import CvimakeError
from cvimake.execution import failures, logs, snapshot
from cvimake.execution.engine.conversation import Streams
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.engine.interactive import converse
from cvimake.execution.engine.whole_folder import keep_plain
from cvimake.execution.sandbox import WORKSPACE, Sandbox, make_mount_points, write_texts
from cvimake.execution.workspace import workspace
from cvimake.toolchain import commands

# The folder of all shells of a project.
SHELLS = Path("build/shell")
# The name of a shell without a model.
TOOLS = "tools"
# The name of the file with a stage's command, in the shell of one stage.
COMMAND = "command.sh"
_HISTORY = ".history"
# The folders of the shell of a whole model, and of that without a model. No stage and no model is called so.
_ALL, _NO_MODEL = "_all", "_tools"
_BASH = (
    "setarch",
    "x86_64",
    "-R",
    "sh",
    "-c",
    'umask 022; exec "$@"',
    "shell",
    "bash",
    "--norc",
    "--noprofile",
)


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of a shell, in which everything stays that is written in the shell."""
    if name == TOOLS:
        return root / SHELLS / _NO_MODEL
    return root / SHELLS / (logs.as_path(name) if ":" in name else f"{name}/{_ALL}")


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A shell that can be opened.

    Attributes:
        action: the shell as an action: it has the inputs of all its stages.
        stages: the actions of the stages whose commands are ready, by the names of the commands' files.
        left_out: the stages whose inputs have the names of other files here.
    """

    action: Action
    stages: Mapping[str, Action]
    left_out: tuple[str, ...] = ()


def of_stages(
    name: str, actions: Iterable[Action], more: Iterable[Input], variables: Mapping[str, str], limits: Limits
) -> Shell:
    """Return a shell with the inputs of stages.

    Args:
        name: the shell's name.
        actions: of the stages; one that has another file under the name of a later one's is left out.
        more: other files that are to be seen, where their names are free.
        variables: environment variables of the shell beside those of the tools.
        limits: those of the project; the time is not limited, and the most processes of a stage are allowed.
    """
    inputs: dict[str, Input] = {}
    texts: dict[str, Text] = {}
    folders: dict[str, Folder] = {}
    stages: dict[str, Action] = {}
    left_out = []
    given = list(actions)
    # The stages `onnx` and `mlir` have one name for a network: as it was, and converted. The latter counts.
    for action in reversed(given):
        taken = [inputs.get(file.name, file) == file and file.name not in texts for file in action.inputs]
        taken += [texts.get(text.name, text) == text and text.name not in inputs for text in action.texts]
        taken += [folders.get(folder.target, folder) == folder for folder in action.folders]
        if not all(taken):
            left_out.append(action.name)
            continue
        inputs |= {file.name: file for file in action.inputs}
        texts |= {text.name: text for text in action.texts}
        folders |= {folder.target: folder for folder in action.folders}
        script_name = COMMAND if len(given) == 1 else f"{action.name.partition(':')[2]}.sh"
        stages = {script_name: action, **stages}
    for file in more:
        if file.name not in texts:
            inputs.setdefault(file.name, file)
    processes = max([limits.processes, *(each.limits.processes for each in given)])
    own = {"HISTFILE": f"{WORKSPACE}/{_HISTORY}", "PS1": f"{name}:\\w\\$ "}
    action = Action(
        name=f"shell:{name}",
        argv=_BASH,
        environment={**commands.environment(), **own, **variables},
        inputs=tuple(inputs.values()),
        outputs=(),
        texts=tuple(texts.values()),
        folders=tuple(folders.values()),
        limits=dataclasses.replace(limits, seconds=threading.TIMEOUT_MAX, processes=processes),
    )
    return Shell(action=action, stages=stages, left_out=tuple(left_out))


def typed(action: Action) -> tuple[str, ...]:
    """Return a stage's command as one types it in a shell, which has the variables of the tools already."""
    argv, beginning = action.argv, commands.DETERMINISTIC
    if argv[: len(beginning)] == beginning:
        # The shell itself runs in this way.
        argv = argv[len(beginning) :]
    usual = commands.environment()
    others = [part for name in usual if name not in action.environment for part in ("-u", name)]
    others += [f"{name}={value}" for name, value in action.environment.items() if usual.get(name) != value]
    return ("env", *others, *argv) if others else argv


def script(action: Action) -> str:
    """Return the text of a file that runs a stage's command, with an option on each line."""
    parts = [(" \\\n  " if part.startswith("--") else " ") + shlex.quote(part) for part in typed(action)]
    return f"#!/bin/sh\n# The command of {action.name}.\n{''.join(parts).strip()}\n"


def _line(action: Action) -> str:
    """Return a stage's command as one line of a history."""
    # shlex puts a part with a line end into single quotes.
    return shlex.join(typed(action)).replace("\n", "'$'\\n''")


def open_shell(sandbox: Sandbox, shell: Shell, folder: Path, streams: Streams) -> int:
    """Open a shell and wait until it ends; return its exit code.

    Args:
        sandbox: runs it.
        shell: that is opened.
        folder: its folder, prepared by `prepared`.
        streams: the user's.

    Raises:
        CvimakeError: an input is missing, the engine failed, or the disk is full.
    """
    action, engine = shell.action, sandbox.engine
    assert isinstance(engine, DockerEngine)  # noqa: S101 - for the types: no other engine has a sandbox
    with failures.disk_errors(action.name, sandbox.root), workspace(sandbox.root) as scratch:
        kept = scratch / "inputs"
        kept.mkdir(mode=0o755)
        files = snapshot.lasting_files(action, sandbox.root, kept, engine.user)
        files |= write_texts(action, kept)
        folders = snapshot.lasting_folders(action, sandbox.root, kept, sandbox.contents)
        share = Share(cores=engine.capacity().cores)
        command = sandbox.command(action, folder, files, folders, share)
        make_mount_points(command)
        try:
            return converse(engine, command, streams)
        finally:
            for name in files:
                # Only the empty file under the mount.
                if (folder / name).is_file() and not (folder / name).stat().st_size:
                    (folder / name).unlink()
            keep_plain(folder)


@contextlib.contextmanager
def prepared(root: Path, name: str, shell: Shell, user: tuple[int, int]) -> Iterator[tuple[Path, list[str]]]:
    """Prepare the folder of a shell: the files with the commands, and the history with the commands.

    A file that is there already stays as it is: the user may have edited it.

    Args:
        root: the project's folder.
        name: the shell's name.
        shell: that is to be opened.
        user: the numeric user and group of the shell.

    Yields:
        The folder, and the names of files that hold other commands than the stages'.

    Raises:
        CvimakeError: another shell is open in it.
    """
    folder = folder_of(root, name)
    (root / SHELLS).mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    turn = folder.with_name(f".{folder.name}.lock")
    try:
        with lock.exclusive(turn, f"has a shell open in {folder}", wait=False):
            # A link could lead to any file of the host.
            keep_plain(folder)
            others = []
            for file, action in shell.stages.items():
                path, text = folder / file, script(action)
                if not path.exists():
                    path.write_text(text, encoding="utf-8")
                    path.chmod(0o755)
                elif path.read_text(encoding="utf-8", errors="replace") != text:
                    others.append(file)
            _add_to_history(folder / _HISTORY, [_line(action) for action in shell.stages.values()])
            if os.geteuid() == 0:
                for place, _, names in os.walk(folder):
                    for path in (Path(place), *(Path(place, name) for name in names)):
                        os.chown(path, *user, follow_symlinks=False)
            yield folder, others
    except lock.HeldError as error:
        raise CvimakeError(error.cause, "Leave that shell first.") from error


def _add_to_history(history: Path, lines: list[str]) -> None:
    """Make lines the last ones of a shell's history."""
    before = history.read_text(encoding="utf-8", errors="replace").splitlines() if history.exists() else []
    kept = [line for line in before if line not in lines]
    history.write_text("".join(f"{line}\n" for line in (*kept, *lines)), encoding="utf-8")
