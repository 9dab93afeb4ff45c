"""A command in a Docker container that a user talks to."""

from __future__ import annotations

import contextlib
import json
import socket

import docker.errors

from cvimake.core.errors import CvimakeError
from cvimake.execution.engine import Command
from cvimake.execution.engine.conversation import Streams, carry, raw
from cvimake.execution.engine.docker import DockerEngine, kill, remove
from cvimake.execution.engine.watch import watched

# The system calls with which a program sets its own terminal. A shell needs them to see single keys; a stage
# has no terminal. They are TCSETS, TCSETSW and TCSETSF, and the same of newer C libraries.
_SETTING = (21506, 21507, 21508, 1076646955, 1076646956, 1076646957)
_STREAM = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


def converse(engine: DockerEngine, command: Command, streams: Streams) -> int:
    """Run a command, with the user's streams; return its exit code.

    The whole working directory goes in, and comes back. However this ends, the container is removed. The
    time is not limited.

    Raises:
        CvimakeError: its files took more room than they may.
        EngineError: the engine cannot run it, or stopped answering.
    """
    with engine.telling(command.name):
        settings = engine.settings(command)
        settings |= {"stdin_open": True, "tty": streams.is_terminal, "detach": False}
        if streams.is_terminal:
            settings["security_opt"] = ["no-new-privileges", f"seccomp={with_terminal(engine.seccomp)}"]
        container = engine.client.containers.create(command.image, **settings)
        try:
            engine.files.send(command, container)
            engine.files.send_folder(command, container)
            attached = container.attach_socket(params=_STREAM)

            def resize() -> None:
                if streams.is_terminal:
                    # It may have ended in the meantime.
                    with contextlib.suppress(docker.errors.APIError):
                        container.resize(*streams.size())

            with (
                contextlib.closing(attached),
                watched(
                    command.limits,
                    lambda: engine.look(command, container),
                    lambda: kill(container),
                    engine.files.seconds_between_looks,
                ) as watch,
                raw(streams),
            ):
                container.start()
                resize()
                if not carry(_socket(attached), streams, resize):
                    kill(container)
            exit_code = int(container.wait()["StatusCode"])
            if watch.overfull:
                raise CvimakeError(
                    f"{command.name}: ended, because the files in {command.host_folder} take more than "
                    f"{command.limits.workspace} bytes, or are more than {command.limits.files}",
                    "Remove some of them, or set other limits in `[tool.cvimake.limits]`.",
                )
        finally:
            try:
                kill(container)
                engine.files.fetch_folder(command, container)
            finally:
                remove(container)
        return exit_code


def with_terminal(profile: str) -> str:
    """Return a seccomp profile that also allows a program to set its own terminal."""
    allowed = [
        {
            "names": ["ioctl"],
            "args": [{"index": 1, "value": number, "op": "SCMP_CMP_EQ"}],
            "action": "SCMP_ACT_ALLOW",
        }
        for number in _SETTING
    ]
    found = json.loads(profile)
    return json.dumps({**found, "syscalls": [*found["syscalls"], *allowed]})


def _socket(attached: object) -> socket.socket:
    """Return the socket itself; Docker's package gives a file over it."""
    found = getattr(attached, "_sock", attached)
    assert isinstance(found, socket.socket)  # noqa: S101 - for the types
    return found
