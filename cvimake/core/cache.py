"""The folder for everything that all projects of a user share."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """Return the user's cache folder; for root, one that other users can read."""
    if os.geteuid() == 0:
        return Path("/var/cache/cvimake")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cvimake"
