"""Installs, starts and stops the engine's daemon on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import docker.errors

import docker
from cvimake.core import announce, lock, log_tail, system
from cvimake.core.errors import EngineError
from cvimake.core.process import name, started

# This file is gone after a restart of the machine, like the daemon.
STATE = Path("/run/cvimake/engine.json")
LOG = Path("/var/log/cvimake-dockerd.log")
SOCKET = Path("/var/run/docker.sock")
PID_FILE = Path("/var/run/docker.pid")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def has_systemd() -> bool:
    """Tell whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def is_installed(environment: Mapping[str, str]) -> bool:
    """Tell whether the daemon is installed on this machine."""
    return _dockerd(environment) is not None


def ensure_running(environment: Mapping[str, str]) -> None:
    """Install the engine if it is missing, and start it. Only root can; two processes take turns.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        EngineError: it cannot be started; has the end of its log.
        CvimakeError: it cannot be installed.
    """
    STATE.parent.mkdir(parents=True, exist_ok=True)
    with lock.exclusive(STATE.parent / "lock", "is bringing the Docker engine up"):
        if _answers():
            return
        if not is_installed(environment):
            system.install(["docker.io"], "a Docker engine", environment)
        # The package's own script may have started it by now.
        if _answers():
            return
        with announce.step("starting the Docker engine"):
            _start(environment)


def stop(environment: Mapping[str, str]) -> str:
    """Stop the engine that cvimake started; return what was done, in a sentence.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        EngineError: it does not stop.
    """
    try:
        state = json.loads(STATE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "cvimake started no engine on this machine; nothing to stop"
    if state.get("systemd"):
        subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], env=environment, check=False)
    else:
        process = int(state["process"])
        if started(process) != state["started"]:
            STATE.unlink()
            return "the engine that cvimake started has ended already"
        os.kill(process, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while started(process) == state["started"]:
            if time.monotonic() > end:
                raise EngineError(
                    f"the engine (process {process}) did not stop within {STOP_SECONDS:.0f} s",
                    f"Its log: {LOG}",
                )
            time.sleep(0.1)
    STATE.unlink()
    return "stopped the engine that cvimake started"


def _start(environment: Mapping[str, str]) -> None:
    if has_systemd():
        subprocess.run(["systemctl", "start", "docker"], env=environment, capture_output=True, check=False)
        process = None
        state: dict[str, object] = {"systemd": True}
    else:
        _remove_leftovers()
        with LOG.open("ab") as log:
            process = subprocess.Popen(
                [_dockerd(environment) or "dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # With a session of its own it outlives us, and a Ctrl-C at our terminal.
                start_new_session=True,
                cwd="/",
                env=_with_sbin(environment),
            )
        state = {"process": process.pid, "started": started(process.pid)}
    STATE.write_text(json.dumps(state), encoding="utf-8")
    end = time.monotonic() + START_SECONDS
    while not _answers():
        if (process is not None and process.poll() is not None) or time.monotonic() > end:
            if process is not None and process.poll() is None:
                process.terminate()
            STATE.unlink(missing_ok=True)
            raise EngineError("the Docker engine does not start", _why(process))
        time.sleep(0.1)


def _why(process: subprocess.Popen[bytes] | None) -> str:
    if process is None:
        return "`journalctl -u docker` says why."
    return log_tail.end_of(LOG)


def _remove_leftovers() -> None:
    """Remove the pid file of a daemon that was killed: with it the next daemon would refuse to start."""
    try:
        process = int(PID_FILE.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        process = 0
    if process and name(process) == "dockerd":
        raise EngineError(
            f"a Docker engine runs (process {process}) and does not answer on {SOCKET}",
            f"Look at its log, or end it: kill {process}",
        )
    PID_FILE.unlink(missing_ok=True)


def _answers() -> bool:
    try:
        return bool(docker.DockerClient(base_url=f"unix://{SOCKET}", timeout=5).ping())
    except (docker.errors.DockerException, OSError):
        return False


def _dockerd(environment: Mapping[str, str]) -> str | None:
    return system.program("dockerd", _with_sbin(environment))


def _with_sbin(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables whose `PATH` also has the folders of the system's daemons."""
    return {**environment, "PATH": f"{environment.get('PATH', '')}:{_SBIN}"}
