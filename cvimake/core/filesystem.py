"""How finely the file system below a file tells two changes apart."""

from __future__ import annotations

import functools
import math
import os
import time
from pathlib import Path

# Two changes within one step of the kernel's clock can have the same time; a step is 10 ms at most.
CLOCK_STEP = 0.02
# The coarsest times of all: those of FAT.
_COARSEST = 2.0
_SECOND = 10**9
_MOUNTS = Path("/proc/self/mountinfo")

# File systems without a time of change of their own: it follows the time of modification, which anybody can
# set back. A change there need not show at all.
_WITHOUT_CHANGE_TIME = frozenset(
    {"vfat", "msdos", "exfat", "hfs", "fuse.exfat", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"}
)
# File systems whose times come from another machine's clock.
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "fuse", "virtiofs")


def settles_in(status: os.stat_result, now: float | None = None) -> float:
    """Seconds until any further change of a file is bound to show in its status.

    Args:
        status: of the file, as it is now.
        now: in seconds since 1970; None for the clock's.

    Returns:
        0 where a change would show already, infinity where it never need.
    """
    kind = _type(status.st_dev)
    if kind in _WITHOUT_CHANGE_TIME:
        return math.inf
    step = CLOCK_STEP
    # A time of change with a part of a second proves that the file system keeps such parts.
    if status.st_ctime_ns % _SECOND == 0 or kind.startswith(_REMOTE):
        step += _COARSEST
    age = (time.time() if now is None else now) - status.st_ctime_ns / _SECOND
    if age < 0 and not kind.startswith(_REMOTE):
        # The clock was set back: until it comes to that time again, the file's time says nothing.
        return step - age
    return max(0.0, step - abs(age))


@functools.lru_cache(maxsize=256)
def _type(device: int) -> str:
    """The type of the file system of a device, as in `mount`; empty where it is not known."""
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
