"""The folder from which the user called the launcher."""

from __future__ import annotations

import os
from pathlib import Path

# The launcher sets this variable, and then changes to the project's folder.
INVOKED_FROM = "CVIMAKE_INVOKED_FROM"


def invoked_from() -> Path:
    """Return the folder that paths on the command line are relative to."""
    return Path(os.environ.get(INVOKED_FROM) or Path.cwd())
