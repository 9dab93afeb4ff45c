"""What git says of a project: its commit, its version, and whether the tree holds anything else."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.errors import CvimakeError

_SHOWN = 10
# What a build and a release write; whether git is told to ignore it or not.
_NO_SOURCES = (":(exclude)build", ":(exclude)release")
# Nobody's settings change what is printed, and those of a repository run nothing: a folder that came from a
# stranger may name programs in .git/config and .git/hooks.
_SETTINGS = tuple(
    part
    for setting in (
        "core.quotePath=true",
        "color.ui=false",
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
    )
    for part in ("-c", setting)
)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A project's working tree.

    Attributes:
        commit: its hash; empty where there is none.
        described: the nearest tag and the distance from it, or the beginning of the hash.
        changes: what differs from the commit, as `git status --short` says it.
        prefix: where the project is in the repository; empty for its root.
        reason: why there is no commit.
    """

    commit: str
    described: str
    changes: tuple[str, ...]
    prefix: str = ""
    reason: str = ""


def tree(folder: Path) -> Tree:
    """The working tree that a folder is in."""
    try:
        commit = git(folder, "rev-parse", "--verify", "HEAD")
        # A fixed length: the shortest one depends on how much of the history a clone has.
        described = git(folder, "describe", "--tags", "--always", "--abbrev=12")
        changes = git(
            folder, "status", "--porcelain", "--untracked-files=all", "--", ":/", *_NO_SOURCES
        ).splitlines()
        prefix = git(folder, "rev-parse", "--show-prefix")
    except CvimakeError as error:
        return Tree(commit="", described="", changes=(), reason=str(error))
    return Tree(commit=commit, described=described.replace("/", "-"), changes=tuple(changes), prefix=prefix)


def shortened(changes: tuple[str, ...]) -> str:
    """Changes on one line."""
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return ", ".join(change.strip() for change in changes[:_SHOWN]) + more


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints, without the line end.

    Raises:
        CvimakeError: it failed, or there is no git.
    """
    command = ["git", "-C", str(folder), *_SETTINGS, *arguments]
    try:
        # Large files are not fetched from anywhere only to look at a tree.
        variables = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"}
        result = subprocess.run(
            command, env=variables, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise CvimakeError("git is not installed", "Debian, Ubuntu: apt-get install git") from None
    if result.returncode != 0:
        raise CvimakeError(f"`git {' '.join(arguments)}` failed", result.stderr.strip())
    return result.stdout.rstrip("\n")
