"""The user's home folder, from the variables that cvimake was started with."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from cvimake.core.errors import CvimakeError


def home(environment: Mapping[str, str]) -> Path:
    """Return the user's home folder: `HOME`, or the one that the system has noted for the user.

    Raises:
        CvimakeError: there is neither.
    """
    if named := environment.get("HOME"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise CvimakeError(
            f"HOME is not set, and the system does not know the user {os.getuid()}",
            "Set it to a folder in which you may write: HOME=/path ./doit",
        ) from None


def expanded(path: Path, environment: Mapping[str, str]) -> Path:
    """Return a path whose `~` or `~USER` at the beginning is replaced by that user's home folder.

    Raises:
        CvimakeError: there is no such user, or no home folder.
    """
    first, *others = path.parts or ("",)
    if not first.startswith("~"):
        return path
    if first == "~":
        return home(environment).joinpath(*others)
    try:
        return Path(pwd.getpwnam(first[1:]).pw_dir, *others)
    except KeyError:
        raise CvimakeError(
            f"{path}: there is no user {first[1:]!r}",
            "Correct the name, or write the whole path of the folder.",
        ) from None
