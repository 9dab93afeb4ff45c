"""Processes of this machine, told apart: a number alone is given again to another one."""

from __future__ import annotations

import hashlib
import os
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


def space() -> str:
    """A name for the space of process numbers: this machine since its start, and this container of it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"


def mark() -> str:
    """A name for this process that no other has, on any machine."""
    return f"{_short_space()}-{os.getpid()}-{started(os.getpid())}"


def has_ended(mark: str) -> bool:
    """Whether a mark is that of a process of this machine that is gone. Others' are not known to be."""
    where, _, process = mark.partition("-")
    number, _, ticks = process.partition("-")
    return where == _short_space() and number.isdigit() and started(int(number)) != ticks


def _short_space() -> str:
    return hashlib.sha256(space().encode()).hexdigest()[:16]
