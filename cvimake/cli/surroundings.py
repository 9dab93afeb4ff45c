"""The user's variables and folders. They are read here alone, and handed to all that needs them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cvimake.core.home import expanded
from cvimake.core.invocation import INVOKED_FROM


def variables() -> Mapping[str, str]:
    """Return the variables that cvimake was started with."""
    return dict(os.environ)


def folder() -> Path:
    """Return the folder that commands work in: the project's, where the launcher has been."""
    return Path.cwd()


def invoked_from() -> Path:
    """Return the folder that paths on the command line are relative to."""
    return Path(os.environ.get(INVOKED_FROM) or folder())


def as_declared(path: Path, declaring: Path) -> str:
    """Return a path as a declaration in the folder `declaring` writes it: relative within the project."""
    if path.resolve().is_relative_to(folder().resolve()):
        return os.path.relpath(path, declaring)
    return str(path.resolve())


def as_path(argument: str) -> Path:
    """Return the path that an argument of the command line means; `~` is a home folder.

    Raises:
        CvimakeError: it names the home folder of a user that there is not.
    """
    return invoked_from() / expanded(Path(argument), os.environ)
