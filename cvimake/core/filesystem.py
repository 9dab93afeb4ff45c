"""The precision of a file system's times: when does a further change of a file certainly show?"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

# Seconds. Two changes within one step of the kernel's clock can get the same time; a step is at most 10 ms.
CLOCK_STEP = 0.02
# Seconds. FAT has the coarsest times of all file systems.
_COARSEST = 2.0
_SECOND = 10**9
_MOUNTS = Path("/proc/self/mountinfo")

# File systems without a time of change of their own. There it follows the time of modification, which any
# program can set back, so a change need not show at all.
_WITHOUT_CHANGE_TIME = frozenset(
    {"vfat", "msdos", "exfat", "hfs", "fuse.exfat", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"}
)
# File systems whose times come from another machine's clock.
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "fuse", "virtiofs")


class FileSystems:
    """The machine's file systems, as far as a build has asked for them. Several threads may ask.

    A build has one, and not the process: later another file system may be mounted under the same number.
    """

    def __init__(self) -> None:
        self._kinds: dict[int, str] = {}

    def settles_in(self, status: os.stat_result, now: float | None = None) -> float:
        """Return the seconds until any further change of a file certainly shows in its status.

        Args:
            status: the file's present status.
            now: seconds since 1970; None for the present time.

        Returns:
            0 if a change would show already, infinity if a change may never show.
        """
        kind = self.kind(status.st_dev)
        if kind in _WITHOUT_CHANGE_TIME:
            return math.inf
        step = CLOCK_STEP
        # A time with fractions of a second proves that the file system keeps them.
        if status.st_ctime_ns % _SECOND == 0 or kind.startswith(_REMOTE):
            step += _COARSEST
        age = (time.time() if now is None else now) - status.st_ctime_ns / _SECOND
        if age < 0 and not kind.startswith(_REMOTE):
            # The clock was set back. Until it reaches the file's time again, that time says nothing.
            return step - age
        return max(0.0, step - abs(age))

    def kind(self, device: int) -> str:
        """Return the type of a device's file system, as `mount` prints it; empty if it is unknown."""
        if device not in self._kinds:
            self._kinds[device] = _kind(device)
        return self._kinds[device]


def _kind(device: int) -> str:
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, _, origin = line.partition(" - ")
        if mount.split(" ", 3)[2:3] == [number]:
            return origin.partition(" ")[0]
    return ""
