"""Reaches an engine through ssh: its socket becomes a socket of this machine.

The Docker SDK has two ways of its own, and both fail under load: one opens a session for each request and
runs into sshd's `MaxSessions`, the other loses idle connections. Here the system's `ssh` forwards the socket,
with the user's keys, hosts and agent, and any number of connections share it.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cvimake.core.errors import EngineError

REMOTE_SOCKET = "/var/run/docker.sock"
_SECONDS = 60.0


def open_to(endpoint: str, environment: Mapping[str, str]) -> str:
    """Forward the engine's socket for as long as this process lives.

    Args:
        endpoint: `ssh://[USER@]HOST[:PORT][/PATH/TO/SOCKET]`.
        environment: the variables that cvimake was started with.

    Returns:
        The address of the socket on this machine.

    Raises:
        EngineError: there is no ssh, or it does not reach the host.
    """
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise EngineError(
            f"{endpoint} is no address: {error}", "Write it like ssh://me@build-server:22"
        ) from error
    if not parts.hostname or parts.hostname.startswith("-"):
        raise EngineError(f"{endpoint} names no host", "Write it like ssh://me@build-server")
    folder = Path(tempfile.mkdtemp(prefix="cvimake-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    socket = folder / "docker.sock"
    command = [
        "ssh", "-T", "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none",
        "-L", f"{socket}:{parts.path.rstrip('/') or REMOTE_SOCKET}",
        *(("-p", str(port)) if port else ()),
        *(("-l", parts.username) if parts.username else ()),
        # `cat` ends with the pipe from us, however we end, and ssh with it.
        parts.hostname, "cat",
    ]  # fmt: skip
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            # A Ctrl-C must not end ssh: the containers are then removed through it.
            start_new_session=True,
            env=environment,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise EngineError(f"{endpoint} needs ssh, which is not installed") from error
    atexit.register(process.kill)
    end = time.monotonic() + _SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            said = (process.stderr.read() if process.stderr else "").strip()
            raise EngineError(f"ssh does not reach {endpoint}", said or "It did not answer in time.")
        time.sleep(0.02)
    return f"unix://{socket}"
