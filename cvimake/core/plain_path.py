"""Paths for messages, without the `..` by which a declaration reaches a file."""

from __future__ import annotations

import os
from pathlib import Path


def plain(path: Path) -> Path:
    """Return a path for a message, without the `..` by which a declaration reaches it.

    Where a folder is a link, the operating system takes `..` from the folder that the link leads to. If the
    path without `..` is therefore another place, the absolute path of the right place is returned.
    """
    short, place = os.path.normpath(path), os.path.realpath(path)
    return Path(short if os.path.realpath(short) == place else place)
