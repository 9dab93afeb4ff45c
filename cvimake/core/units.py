"""Sizes and times in the form that people read."""

from __future__ import annotations

from collections.abc import Iterable

_KILOBYTE, _MEGABYTE = 1000, 1000**2
# Nanoseconds of a millisecond.
_NANOSECONDS = 1_000_000


def size(count: int) -> str:
    """Return a number of bytes as text: `302.9 kB`."""
    if count < _MEGABYTE:
        return f"{count / _KILOBYTE:.1f} kB"
    return f"{count / _MEGABYTE:.1f} MB"


def milliseconds(times: Iterable[int]) -> str:
    """Return the range of some times in nanoseconds as text, `28 to 40 ms`; empty if there are none."""
    found = sorted(time / _NANOSECONDS for time in times)
    if not found:
        return ""
    places = 0 if found[0] >= 10 else 1 if found[0] >= 1 else 2  # noqa: PLR2004 - two digits say enough
    return f"{found[0]:.{places}f} to {found[-1]:.{places}f} ms"


def duration(seconds: float) -> str:
    """Return a time in seconds as text: `9.5 s`, `3:05 min`, `1:02:05 h`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
