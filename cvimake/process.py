"""Processes of this machine, told apart: a number alone is given again to another one."""

from __future__ import annotations

from pathlib import Path


def started(process: int) -> str:
    """When a process started, in the kernel's ticks; empty if it is not there or a zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    # The name in front is in brackets, and may hold anything.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]
