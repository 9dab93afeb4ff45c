"""Finds a Docker engine that answers, and installs and starts one where that is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping

import docker.errors
import requests.exceptions
from docker.context import ContextAPI

import docker
from cvimake.core import system
from cvimake.core.errors import EngineError
from cvimake.execution.engine import service, tunnel

# The oldest version with everything that the sandbox needs: Docker 20.10.
OLDEST_API = (1, 41)
OLDEST_VERSION = "20.10"
# The variables that name an engine. The first one that is set counts.
_NAMING = ("DOCKER_HOST", "DOCKER_CONTEXT")


def find(environment: Mapping[str, str]) -> docker.DockerClient:
    """Return a client of the engine that `DOCKER_HOST` or the Docker context names, or of the local one.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        EngineError: it does not answer or is too old.
    """
    try:
        client = _client(_endpoint(environment), environment)
        version = client.version()
    except (docker.errors.DockerException, requests.exceptions.RequestException, ValueError) as error:
        # A ValueError says that the address is none.
        raise EngineError(
            f"no Docker engine answers at {_endpoint(environment)} ({_reason(error)})"
        ) from error
    api = tuple(int(part) for part in version["ApiVersion"].split("."))
    if api < OLDEST_API:
        raise EngineError(
            f"the Docker engine is {version['Version']}; cvimake needs {OLDEST_VERSION} or newer",
            "Update it: https://docs.docker.com/engine/install/",
        )
    return client


def sees_our_files(environment: Mapping[str, str]) -> bool:
    """Tell whether the wanted engine is behind a socket of this machine, and so sees our file system."""
    return _endpoint(environment).startswith("unix://")


def ensure(environment: Mapping[str, str]) -> docker.DockerClient:
    """Return a client of an engine that answers; install and start one where that is allowed.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        EngineError: no engine answers; has the commands to run by hand.
    """
    try:
        return find(environment)
    except EngineError as error:
        if not isinstance(error.__cause__, docker.errors.DockerException):
            # It answers, but is too old.
            raise
        if not can_bring_up(environment) or _refuses_us():
            raise EngineError(error.cause, by_hand(environment)) from error
    service.ensure_running(environment)
    return find(environment)


def can_bring_up(environment: Mapping[str, str]) -> bool:
    """Tell whether `ensure` may install and start an engine: the wanted one is this machine's own."""
    return system.may_install(environment) and is_this_machines(environment)


def is_this_machines(environment: Mapping[str, str]) -> bool:
    """Tell whether the wanted engine is this machine's own, and nobody named another."""
    try:
        return _is_local(_endpoint(environment))
    except EngineError:
        return False


def by_hand(environment: Mapping[str, str]) -> str:
    """Return the commands that start the wanted engine on this machine, installing it if it is missing."""
    try:
        endpoint = _endpoint(environment)
    except EngineError as error:
        return error.remedy
    if not _is_local(endpoint):
        source = next((name for name in _NAMING if environment.get(name)), "the current Docker context")
        return f"{source} names {endpoint}: start that engine, or unset it to use this machine's own."
    if _refuses_us():
        return (
            'It runs, but this user may not use it. As root: usermod -aG docker "$USER"; then log in again.'
        )
    root = "" if os.geteuid() == 0 else "sudo "
    join = "" if os.geteuid() == 0 else f' && {root}usermod -aG docker "$USER" && newgrp docker'
    start = "systemctl enable --now docker"
    if not service.has_systemd():
        start = "sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 &'"
    if service.is_installed(environment):
        return f"Start it: {root}{start}{join}"
    if system.has_apt(environment):
        return (
            f"Install and start it: {root}apt-get update && {root}apt-get install --yes docker.io "
            f"&& {root}{start}{join}"
        )
    return f"Install one (https://docs.docker.com/engine/install/), then: {root}{start}{join}"


def _client(endpoint: str, environment: Mapping[str, str]) -> docker.DockerClient:
    if endpoint.startswith("ssh://"):
        return docker.DockerClient(base_url=tunnel.open_to(endpoint, environment))
    return docker.from_env(environment=dict(environment))


def _endpoint(environment: Mapping[str, str]) -> str:
    """Return the address of the engine that `DOCKER_HOST`, `DOCKER_CONTEXT` or Docker's configuration names.

    Raises:
        EngineError: a context that is not there, or that cannot be read, is named.
    """
    if host := environment.get("DOCKER_HOST"):
        return host
    # Docker's package asks the variable only where it makes a client.
    name = environment.get("DOCKER_CONTEXT")
    source = f"DOCKER_CONTEXT is {name!r}, and this context" if name else "the current Docker context"
    # Docker's package looks for contexts beside its config.json, and so finds none where that is missing.
    remedy = "`docker context ls` lists those there are. DOCKER_HOST=ADDRESS names an engine without one."
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # noqa: BLE001 - Docker's package raises it for damaged files
        raise EngineError(f"{source} cannot be read: {error}", remedy) from None
    if context is None:
        raise EngineError(f"{source} is not there", remedy)
    return str(context.Host)


def _is_local(endpoint: str) -> bool:
    return endpoint.removeprefix("unix://") in {str(service.SOCKET), "/run/docker.sock"}


def _refuses_us() -> bool:
    """Tell whether this machine's engine is there and this user has no right to use it."""
    try:
        return service.SOCKET.exists() and not os.access(service.SOCKET, os.W_OK)
    except OSError:
        return False


def _reason(error: Exception) -> str:
    """Return why the engine does not answer, as far as the error tells."""
    known = ("No such file or directory", "Permission denied", "Connection refused", "timed out")
    return next((text for text in known if text.lower() in str(error).lower()), str(error))
