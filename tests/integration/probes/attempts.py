"""Runs inside the sandbox: tries to get at what is not its business, and writes how each attempt ended.

Arguments: the JSON file to write, a file of the host, a process of the host. The workspace holds a file
`input.txt`.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

INPUT = Path("input.txt")
PYTHON_PACKAGES = Path("/opt/tpu_mlir/lib/python3.10/site-packages")
DONE = "done"


def outcome(attempt: Callable[[], object]) -> str:
    """How an attempt ended: `done`, or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return DONE


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("more")


def overwrite(path: Path) -> None:
    with path.open("r+", encoding="utf-8") as file:
        file.write("x")


def replace(path: Path) -> None:
    other = Path("other.txt")
    other.write_text("another", encoding="utf-8")
    other.replace(path)


def connect(family: int, kind: int, address: tuple[str, int] | str) -> None:
    with socket.socket(family, kind) as connection:
        connection.settimeout(3)
        connection.connect(address)
        connection.send(b"x")


def execute(path: Path) -> None:
    path.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    path.chmod(0o755)
    subprocess.run([str(path)], check=True)


def attempts(host_file: str, host_process: int) -> dict[str, dict[str, Callable[[], object]]]:
    return {
        "input": {
            "write": lambda: INPUT.write_text("another", encoding="utf-8"),
            "append": lambda: append(INPUT),
            "overwrite": lambda: overwrite(INPUT),
            "truncate": lambda: os.truncate(INPUT, 0),
            "chmod": lambda: INPUT.chmod(0o777),
            "set its time": lambda: os.utime(INPUT, (0, 0)),
        },
        "input's name": {
            "unlink": INPUT.unlink,
            "rename": lambda: INPUT.rename("renamed.txt"),
            "replace": lambda: replace(INPUT),
            "link": lambda: os.link(INPUT, "linked.txt"),
        },
        "network": {
            "TCP": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 53)),
            "TCP 6": lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("2606:4700:4700::1111", 53)),
            "TCP to the host": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("172.17.0.1", 22)),
            "UDP": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 53)),
            "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
            "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
            "DNS": lambda: socket.getaddrinfo("example.com", 443),
        },
        "file system": {
            **{
                f"make a file in {folder}": Path(folder, "made").touch
                for folder in ("/", "/etc", "/usr/bin", "/opt/tpu_mlir", "/var/tmp", "/run", "/root")
            },
            **{
                f"overwrite {path}": partial(overwrite, path)
                for path in (Path("/etc/passwd"), PYTHON_PACKAGES / "tpu_mlir/python/tools/model_deploy.py")
            },
        },
        "temporary folder": {
            "write": lambda: Path("/tmp/written").write_text("x", encoding="utf-8"),
            "execute": lambda: execute(Path("/tmp/program")),
        },
        "shared memory": {"execute": lambda: execute(Path("/dev/shm/program"))},
        "host": {
            "a file": lambda: Path(host_file).read_bytes(),
            "a file, by the first process": lambda: Path(f"/proc/1/root{host_file}").read_bytes(),
            "a file, by the folder's parents": lambda: Path(f"../../../..{host_file}").read_bytes(),
            "a process": Path(f"/proc/{host_process}/stat").read_bytes,
            "a signal": lambda: os.kill(host_process, 0),
            "a signal that kills": lambda: os.kill(host_process, signal.SIGURG),
            "the engine": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "/var/run/docker.sock"),
            "the engine, other path": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "/run/docker.sock"),
        },
        "kernel": {
            "a device": lambda: os.mknod("disk", stat.S_IFBLK | 0o666, os.makedev(8, 0)),
            "memory": lambda: Path("/dev/mem").open("rb"),
            "messages": lambda: Path("/dev/kmsg").open("rb"),
            "memory image": lambda: _read_some(Path("/proc/kcore")),
            "core pattern": lambda: overwrite(Path("/proc/sys/kernel/core_pattern")),
            "system request": lambda: append(Path("/proc/sysrq-trigger")),
            "memory limit": lambda: append(Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
        },
        "identity": {
            "become root": lambda: os.setuid(0),
            "become root's group": lambda: os.setgid(0),
            "join root's group": lambda: os.setgroups([0]),
            "change a file's owner": lambda: os.chown("own.txt", 0, 0),
            "change the root": lambda: os.chroot("."),
            "core dumps": _allow_core_dumps,
        },
    }


def _read_some(path: Path) -> None:
    with path.open("rb") as file:
        if not file.read(16):
            # Docker lays /dev/null over it.
            raise OSError(errno.ENODATA, "empty")


def _allow_core_dumps() -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096))
    except ValueError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def main(output: str, host_file: str, host_process: str) -> None:
    Path("own.txt").touch()
    outcomes = {
        group: {name: outcome(attempt) for name, attempt in members.items()}
        for group, members in attempts(host_file, int(host_process)).items()
    }
    Path(output).write_text(json.dumps(outcomes, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
