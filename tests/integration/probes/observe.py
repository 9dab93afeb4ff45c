"""Runs inside the sandbox: writes what a program there sees to the JSON file that its argument names."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

WORKSPACE = [str(path) for path in sorted(Path().iterdir())]
# Of /proc/self/status: what does not differ from run to run.
STATUS = (
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Uid",
    "Gid",
    "Groups",
    "Umask",
)
# With cgroups of version 2 and 1.
MEMORY_LIMIT = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
PROCESS_LIMIT = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")


def status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: fields[name].strip() for name in STATUS}


def mounts() -> dict[str, dict[str, object]]:
    """For each mount point its file system and options; of several at one point the topmost."""
    found: dict[str, dict[str, object]] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, right = line.split(" - ", 1)
        point, options = left.split()[4:6]
        found[point] = {"type": right.split()[0], "options": sorted(options.split(","))}
    return found


def writable_folders() -> list[str]:
    found = []
    for folder, names, _ in os.walk("/"):
        if folder == "/":
            names[:] = sorted(set(names) - {"proc", "sys"})
        if os.access(folder, os.W_OK):
            found.append(folder)
    return sorted(found)


def first_text(*paths: str) -> str:
    return next(Path(path).read_text(encoding="ascii").strip() for path in paths if Path(path).exists())


def block_devices() -> list[str]:
    return sorted(str(path) for path in Path("/dev").rglob("*") if stat.S_ISBLK(path.lstat().st_mode))


def address_of_a_function() -> int:
    return ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value or 0


def clock() -> dict[str, float]:
    wall, monotonic = time.time(), time.monotonic()
    time.sleep(1)
    return {"start": wall, "end": time.time(), "monotonic": round(time.monotonic() - monotonic)}


def numpy_kernels() -> dict[str, object]:
    """What it chooses its kernels by, and what it says of that when it starts."""
    program = (
        "import json; from numpy.core._multiarray_umath import __cpu_features__ as found; "
        "print(json.dumps([name for name, is_there in found.items() if is_there]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return {"features": json.loads(ended.stdout), "said": ended.stderr}


def main(output: str) -> None:
    shared = os.statvfs("/tmp")
    facts = {
        "workspace": WORKSPACE,
        "folder": str(Path.cwd()),
        "temporary": sorted(str(path) for path in Path("/tmp").iterdir()),
        "temporary size": shared.f_blocks * shared.f_frsize,
        "status": status(),
        "environment": dict(os.environ),
        "host name": socket.gethostname(),
        "home": str(Path.home()),
        "time zone": time.tzname,
        "date of the shell": subprocess.run(["date"], stdout=subprocess.PIPE, check=True, text=True).stdout,
        "encoding": sys.getfilesystemencoding(),
        "umask": Path("/proc/self/status").read_text(encoding="ascii").split("Umask:")[1].split()[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "memory limit": first_text(*MEMORY_LIMIT),
        "process limit": first_text(*PROCESS_LIMIT),
        "personality": first_text("/proc/self/personality"),
        "address": address_of_a_function(),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "processes": sorted(path.name for path in Path("/proc").iterdir() if path.name.isdigit()),
        "process": os.getpid(),
        "mounts": mounts(),
        "writable": writable_folders(),
        "block devices": block_devices(),
        "clock": clock(),
        "numpy": numpy_kernels(),
    }
    # Must be gone when the next program starts.
    Path("/tmp/left-behind").touch()
    Path(output).write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
