"""Tells processes of this machine apart: the kernel gives the number of an ended one to another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def started(process: int) -> str:
    """Return when a process started, in the kernel's ticks; empty if it has ended or is a zombie."""
    _, fields = _status(process)
    return fields[19] if fields else ""


def name(process: int) -> str:
    """Return the name of a process's program; empty if it has ended or is a zombie."""
    return _status(process)[0]


def space() -> str:
    """Return a name for the space of process numbers: this machine since its start, and this container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"


def mark() -> str:
    """Return a name for this process that no other process has, on any machine."""
    return f"{_short_space()}-{os.getpid()}-{started(os.getpid())}"


def has_ended(mark: str) -> bool:
    """Tell whether a mark is that of a process of this machine that has ended."""
    where, _, process = mark.partition("-")
    number, _, ticks = process.partition("-")
    return where == _short_space() and number.isdigit() and started(int(number)) != ticks


def _status(process: int) -> tuple[str, list[str]]:
    """Return a live process's name and what the kernel says after it; nothing if there is no such process."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", []
    # The name in front is in brackets, and may hold any character.
    before, _, after = text.rpartition(")")
    fields = after.split()
    return ("", []) if fields[0] in {"Z", "X"} else (before.partition("(")[2], fields)


def _short_space() -> str:
    return hashlib.sha256(space().encode()).hexdigest()[:16]
