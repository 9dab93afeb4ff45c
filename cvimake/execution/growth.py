"""Lets a tool use more of the machine while it runs: the sandbox tells it so in a file."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from cvimake.core.action import Limits
from cvimake.core.capacity import Share
from cvimake.toolchain.container.process_group import GRANT, TAKES

# Fraction of the memory limit that a stage plans with: its own estimates are not exact.
_SHARE_OF_LIMIT = 0.85


def bounds(limits: Limits, share: Share) -> tuple[int, int]:
    """Return how many processes a stage may start, and the bytes that all of them together may hold."""
    bound = min(bytes_ for bytes_ in (limits.memory, share.free) if bytes_)
    return share.cores, int(bound * _SHARE_OF_LIMIT)


class Growth:
    """The way to a running tool that may use more than it began with.

    One thread grants; another one runs the tool, and opens the way for as long as the tool can be told.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tool: tuple[Limits, Path] | None = None

    @contextlib.contextmanager
    def told(self, limits: Limits, folder: Path | None) -> Iterator[None]:
        """Tell a tool everything that is granted meanwhile.

        Args:
            limits: the tool's.
            folder: its working directory; None if it is on another machine, so that the tool cannot be told.
        """
        with self._guard:
            self._tool = (limits, folder) if folder else None
        try:
            yield
        finally:
            with self._guard:
                self._tool = None

    def grant(self, share: Share) -> bool:
        """Let the tool use this share from now on; return False if it cannot use it now."""
        with self._guard:
            if self._tool is None:
                return False
            limits, folder = self._tool
            if not os.path.lexists(folder / TAKES):
                return False
            processes, memory = bounds(limits, share)
            try:
                _write(folder, f"{processes} {memory}\n")
            except OSError:
                # The tool has put something in its way.
                return False
            return True


def _write(folder: Path, text: str) -> None:
    """Replace the file, in one step. The tool may have put links there, and none is followed."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        new = f"{GRANT}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=opened)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, dir_fd=opened)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            # The tool is another user.
            os.fchmod(descriptor, 0o644)
            file.write(text)
        os.replace(new, GRANT, src_dir_fd=opened, dst_dir_fd=opened)
    finally:
        os.close(opened)
