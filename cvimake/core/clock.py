"""The time at which the clock stands still while a stage runs: SOURCE_DATE_EPOCH, or a fixed one.

Source: https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from cvimake.core.errors import CvimakeError

VARIABLE = "SOURCE_DATE_EPOCH"
# 2024-01-01 00:00:00 UTC, and not the time of a commit: a new commit alone must not change any bytes.
DEFAULT_EPOCH = 1704067200
# The largest number that the time field of an archive's entry can hold.
_LATEST = 8**11 - 1


def epoch(environment: Mapping[str, str]) -> int:
    """Return the time that every result and archive is dated with, in seconds since 1970.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        CvimakeError: SOURCE_DATE_EPOCH is not a number, or too large.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return DEFAULT_EPOCH
    if not (text.isascii() and text.isdigit()) or int(text) > _LATEST:
        raise CvimakeError(
            f"{VARIABLE} is {text!r}; it is a number of seconds since 1970, at most {_LATEST}",
            f"Without it every result is dated {written(DEFAULT_EPOCH)} UTC.",
        )
    return int(text)


def written(seconds: int) -> str:
    """Return a time in the form that the frozen clock takes, in UTC: `2024-01-01 00:00:00`."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
