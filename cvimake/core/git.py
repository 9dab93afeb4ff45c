"""A project's commit, version and uncommitted changes, from git."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvimake.core import listing
from cvimake.core.errors import CvimakeError

_SHOWN = 10
# Builds and releases write into these folders. They are no sources, even if .gitignore does not list them.
_NO_SOURCES = (":(exclude)build", ":(exclude)release")
# The user's settings must not change the output. The repository's settings must not run anything: .git/config
# and .git/hooks of a stranger's folder can name programs.
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
        commit: the hash of the commit; empty if there is none.
        described: the nearest tag and the distance from it, or the beginning of the hash.
        changes: differences from the commit, as `git status --short` prints them.
        prefix: the project's path in the repository; empty for its root.
        reason: the reason why there is no commit; empty if there is one.
    """

    commit: str
    described: str
    changes: tuple[str, ...]
    prefix: str = ""
    reason: str = ""

    @property
    def is_dirty(self) -> bool:
        """Tell whether no commit has exactly these files."""
        return bool(self.changes or not self.commit)


def tree(folder: Path, environment: Mapping[str, str]) -> Tree:
    """Return the working tree that a folder is in.

    Args:
        folder: the folder.
        environment: the variables that cvimake was started with.
    """
    try:
        commit = git(folder, environment, "rev-parse", "--verify", "HEAD")
        # A fixed length: the shortest possible one depends on how much of the history a clone has.
        described = git(folder, environment, "describe", "--tags", "--always", "--abbrev=12")
        changes = git(
            folder, environment, "status", "--porcelain", "--untracked-files=all", "--", ":/", *_NO_SOURCES
        ).splitlines()
        prefix = git(folder, environment, "rev-parse", "--show-prefix")
    except CvimakeError as error:
        return Tree(commit="", described="", changes=(), reason=str(error))
    return Tree(commit=commit, described=described.replace("/", "-"), changes=tuple(changes), prefix=prefix)


def shortened(changes: tuple[str, ...]) -> str:
    """Return the first changes in one line, and the number of the others."""
    return listing.line((change.strip() for change in changes), _SHOWN)


def git(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a git command and return its output, without the last line break.

    Raises:
        CvimakeError: the command failed, or git is not installed.
    """
    command = ["git", "-C", str(folder), *_SETTINGS, *arguments]
    try:
        # Do not download large files only to look at a tree.
        variables = {**environment, "GIT_LFS_SKIP_SMUDGE": "1"}
        result = subprocess.run(
            command, env=variables, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise CvimakeError("git is not installed", "Debian, Ubuntu: apt-get install git") from None
    if result.returncode != 0:
        raise CvimakeError(f"`git {' '.join(arguments)}` failed", result.stderr.strip())
    return result.stdout.rstrip("\n")
