"""Describes the machine that figures come from."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from cvimake.core.action import GIBIBYTE


def facts() -> dict[str, str]:
    """Return the facts that figures depend on; the load is the average of the last minute."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": _cpu(),
        "memory": f"{memory:.1f} GiB",
        "kernel": platform.release(),
        "docker": _docker(),
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu() -> str:
    """Return the processor's name, as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _docker() -> str:
    """Return the engine's version."""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
