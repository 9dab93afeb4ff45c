"""What runs one command in isolation, and how files get in and out of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Capacity

# Beside the host's working directory: a link to the place elsewhere where the command really runs, so that
# the next build can remove what a killed one left there.
PLACE, PLACE_PREFIX = "place", "cvimake-"
# Who runs the commands when cvimake itself is run by root.
NOBODY = (65534, 65534)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the host that the command sees.

    Attributes:
        source: where it lies, an absolute path.
        target: where the command sees it, an absolute path.
    """

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command with all that it gets to see.

    Attributes:
        image: the image's name or id.
        working_directory: an absolute path; the only place beside `/tmp` that can be written.
        user: numeric user and group.
        results: names in the working directory that are wanted afterwards.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    working_directory: str
    user: tuple[int, int]
    limits: Limits
    results: tuple[str, ...] = ()

    @property
    def host_folder(self) -> Path:
        """The host's folder that is its working directory."""
        return next(mount.source for mount in self.mounts if mount.target == self.working_directory)

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that it finds in its working directory, by name."""
        inside = f"{self.working_directory}/"
        return {
            mount.target.removeprefix(inside): mount.source
            for mount in self.mounts
            if mount.target.startswith(inside)
        }

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that it finds elsewhere, by where it finds them."""
        inside = f"{self.working_directory}/"
        return {
            mount.target: mount.source for mount in self.mounts if not f"{mount.target}/".startswith(inside)
        }

    def copies(self, workspace: str) -> list[str]:
        """Shell commands that copy its inputs to a folder, given as shell text for within double quotes."""
        return [
            f'cp {shlex.quote(str(source))} "{workspace}"/{shlex.quote(name)}'
            for name, source in self.inputs.items()
        ]


class Log(Protocol):
    """Takes what a command prints, as it comes."""

    def write(self, output: bytes, /) -> object:
        """Takes a piece of it."""
        ...


class Engine(Protocol):
    """Runs commands. Its methods may be called from several threads."""

    @property
    def user(self) -> tuple[int, int]:
        """The unprivileged user and group that commands run as."""
        ...

    def capacity(self) -> Capacity:
        """What its machine bears."""
        ...

    def run(self, command: Command, log: Log) -> Ending:
        """Runs a command to its end, its standard output and error going to the log.

        However this ends, also by an exception, nothing of the command goes on running.

        Raises:
            EngineError: the engine cannot run it.
        """
        ...

    def cancel(self) -> None:
        """Ends all commands that run, and lets no other begin: their `run` raises EngineError."""
        ...

    def removal(self, image: str) -> str:
        """A shell command that removes an image."""
        ...

    def by_hand(self, command: Command, workspace: str) -> str:
        """A shell command that does the same, with `workspace` (shell text) for the working directory."""
        ...
