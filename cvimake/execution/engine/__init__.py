"""Engines: they run one command in isolation, and bring files in and out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cvimake.core.action import Ending, Limits
from cvimake.core.capacity import Capacity
from cvimake.execution.growth import Growth

# A link beside the host's working directory to the folder elsewhere in which the command really runs. With it
# the next build can remove the folder that a killed build left behind.
PLACE, PLACE_PREFIX = "place", "cvimake-"
# The user and group of commands when root runs cvimake: `nobody`.
NOBODY = (65534, 65534)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the host that the command sees.

    Attributes:
        source: its absolute path on the host.
        target: the absolute path at which the command sees it.
    """

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, with everything that it can see.

    Attributes:
        image: the image's name or id.
        working_directory: an absolute path; the command can write there and in `/tmp`, and nowhere else.
        user: numeric user and group.
        results: names of the files in the working directory that are wanted afterwards.
        parts: the name of the folder there with parts of its work, wanted if it does not end well; empty for
            none.
        growth: through which it is told, while it runs, that it may use more of the machine.
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
    parts: str = ""
    growth: Growth = field(default_factory=Growth, compare=False)

    @property
    def host_folder(self) -> Path:
        """Return the host's folder that is its working directory."""
        return next(mount.source for mount in self.mounts if mount.target == self.working_directory)

    @property
    def inputs(self) -> dict[str, Path]:
        """Return the files that it finds in its working directory, by name."""
        inside = f"{self.working_directory}/"
        return {
            mount.target.removeprefix(inside): mount.source
            for mount in self.mounts
            if mount.target.startswith(inside)
        }

    @property
    def folders(self) -> dict[str, Path]:
        """Return the folders that it finds elsewhere, by the paths at which it sees them."""
        inside = f"{self.working_directory}/"
        return {
            mount.target: mount.source for mount in self.mounts if not f"{mount.target}/".startswith(inside)
        }

    def copies(self, workspace: str) -> list[str]:
        """Return shell commands that copy its inputs to a folder.

        Args:
            workspace: the folder, as shell text that can stand in double quotes.
        """
        return [
            f'cp {shlex.quote(str(source))} "{workspace}"/{shlex.quote(name)}'
            for name, source in self.inputs.items()
        ]


class Log(Protocol):
    """Takes the output of a command as it comes."""

    def write(self, output: bytes, /) -> object:
        """Take a piece of output."""


class Engine(Protocol):
    """Runs commands. Its methods may be called from several threads."""

    @property
    def user(self) -> tuple[int, int]:
        """Return the unprivileged user and group that commands run as."""

    def capacity(self) -> Capacity:
        """Return how many cores and how much memory its machine has for stages."""

    def run(self, command: Command, log: Log) -> Ending:
        """Run a command to its end; its standard output and error go to the log.

        However this ends, also by an exception, no process of the command goes on running.

        Raises:
            EngineError: the engine cannot run it.
        """

    def cancel(self) -> None:
        """End all running commands, and let no other begin: `run` then raises EngineError."""

    def apart(self) -> Engine:
        """Return the same engine for other commands: `cancel` of one does not end those of the other."""

    def removal(self, image: str) -> str:
        """Return a shell command that removes an image."""

    def by_hand(self, command: Command, workspace: str) -> str:
        """Return a shell command that does the same as a command.

        Args:
            command: the command.
            workspace: the working directory, as shell text that can stand in double quotes.
        """
