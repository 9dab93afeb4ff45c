"""Where cvimake keeps what serves all projects of a user."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """The user's cache; for root a place that other users can read."""
    if os.geteuid() == 0:
        return Path("/var/cache/cvimake")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cvimake"
