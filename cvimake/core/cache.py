"""The folder for everything that all projects of a user share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cvimake.core.home import home


def user_cache(environment: Mapping[str, str]) -> Path:
    """Return the user's cache folder; for root, one that other users can read.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        CvimakeError: the user has no home folder.
    """
    if os.geteuid() == 0:
        return Path("/var/cache/cvimake")
    named = environment.get("XDG_CACHE_HOME")
    return (Path(named) if named else home(environment) / ".cache") / "cvimake"
