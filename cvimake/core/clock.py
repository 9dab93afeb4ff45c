"""The time that stands still while a step runs: SOURCE_DATE_EPOCH, or one that never changes.

Source: https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

import os
from datetime import datetime, timezone

from cvimake.core.errors import CvimakeError

VARIABLE = "SOURCE_DATE_EPOCH"
# 2024-01-01 00:00:00 UTC. It does not move with commits: a new commit alone makes no other bytes.
DEFAULT_EPOCH = 1704067200
# What the time field of an archive's entry holds.
_LATEST = 8**11 - 1


def epoch() -> int:
    """Seconds since 1970 that every result and archive is dated with.

    Raises:
        CvimakeError: SOURCE_DATE_EPOCH is no such number.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return DEFAULT_EPOCH
    if not (text.isascii() and text.isdigit()) or int(text) > _LATEST:
        raise CvimakeError(
            f"{VARIABLE} is {text!r}; it is a number of seconds since 1970, at most {_LATEST}",
            f"Without it every result is dated {written(DEFAULT_EPOCH)} UTC.",
        )
    return int(text)


def written(seconds: int) -> str:
    """A time as the frozen clock takes it, in UTC: `2024-01-01 00:00:00`."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
