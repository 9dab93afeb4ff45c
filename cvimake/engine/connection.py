"""Finds a Docker engine that answers, and brings one up where that is allowed."""

from __future__ import annotations

import os
from pathlib import Path

import docker.errors
from docker.context import ContextAPI

import docker
from cvimake import system
from cvimake.engine import service
from cvimake.errors import EngineError

# The first with all that the sandbox asks for: Docker 20.10.
OLDEST_API = (1, 41)
OLDEST_VERSION = "20.10"


def find() -> docker.DockerClient:
    """A client of the engine that `DOCKER_HOST` or the current Docker context names, or of the local one.

    Raises:
        EngineError: it does not answer or is too old.
    """
    try:
        client = docker.from_env()
        version = client.version()
    except docker.errors.DockerException as error:
        raise EngineError(f"no Docker engine answers{_at(error)}") from error
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    if api < OLDEST_API:
        raise EngineError(
            f"the Docker engine is {version['Version']}; cvimake needs {OLDEST_VERSION} or newer",
            "Update it: https://docs.docker.com/engine/install/",
        )
    return client


def ensure() -> docker.DockerClient:
    """A client of an engine that answers; one is installed and started where nothing speaks against it.

    Raises:
        EngineError: with the commands to run by hand.
    """
    try:
        return find()
    except EngineError as error:
        if not isinstance(error.__cause__, docker.errors.DockerException):
            raise
        if chosen := os.environ.get("DOCKER_HOST"):
            raise EngineError(
                f"{error.what}",
                f"DOCKER_HOST is {chosen}. Start that engine, or unset it to use the local one.",
            ) from error
        if _refuses_us(error.__cause__):
            raise EngineError(
                "a Docker engine runs here, and this user may not use it",
                'As root: usermod -aG docker "$USER"; then log in anew (or run: newgrp docker).',
            ) from error
        if not can_bring_up():
            raise EngineError(error.what, by_hand()) from error
    service.ensure_running()
    return find()


def _at(error: docker.errors.DockerException) -> str:
    """Where, and why not, as far as the SDK's error tells."""
    place = os.environ.get("DOCKER_HOST") or ContextAPI.get_current_context().Host
    known = ("No such file or directory", "Permission denied", "Connection refused", "timed out")
    reason = next((text for text in known if text.lower() in str(error).lower()), str(error))
    return f" at {place} ({reason})"


def can_bring_up() -> bool:
    """Whether `ensure` may install and start an engine on this machine."""
    return system.may_install() and not os.environ.get("DOCKER_HOST")


def by_hand() -> str:
    """What brings an engine up: the commands, for this machine."""
    if chosen := os.environ.get("DOCKER_HOST"):
        return f"DOCKER_HOST is {chosen}: start that engine, or unset it to use the local one."
    root = "" if os.geteuid() == 0 else "sudo "
    join = "" if os.geteuid() == 0 else f' && {root}usermod -aG docker "$USER" && newgrp docker'
    start = (
        "systemctl enable --now docker"
        if service.has_systemd()
        else "sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 &'"
    )
    if service.is_installed():
        return f"Start it: {root}{start}{join}"
    if system.has_apt():
        return (
            f"Install and start it: {root}apt-get update && {root}apt-get install --yes docker.io "
            f"&& {root}{start}{join}"
        )
    return f"Install one (https://docs.docker.com/engine/install/), then: {root}{start}{join}"


def _refuses_us(error: BaseException) -> bool:
    """Whether the engine's socket is there and this user has no right to it."""
    socket = Path("/var/run/docker.sock")
    return "ermission denied" in str(error) and socket.exists() and not os.access(socket, os.W_OK)
