"""Tells which kind of engine the user wants, and which kind made the results that are there."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from cvimake.core.errors import EngineError

ENGINE_VARIABLE = "CVIMAKE_ENGINE"
DOCKER, LOCAL = "docker", "local"
_SOCKET = "/var/run/docker.sock"


def chosen(environment: Mapping[str, str]) -> str:
    """Return the user's choice: DOCKER, LOCAL, or empty for Docker where there is one.

    Args:
        environment: the variables that cvimake was started with.

    Raises:
        EngineError: the user asks for another kind.
    """
    wanted = environment.get(ENGINE_VARIABLE, "")
    if wanted not in {"", DOCKER, LOCAL}:
        raise EngineError(f"{ENGINE_VARIABLE} is {wanted!r}; it can be {DOCKER} or {LOCAL}")
    return wanted


def was_local(record: Path) -> bool:
    """Tell whether a toolchain's record says that results were made without containers."""
    try:
        return bool(json.loads(record.read_text(encoding="utf-8")).get("engine") == LOCAL)
    except (OSError, ValueError, AttributeError):
        return False


def would_change(record: Path, environment: Mapping[str, str]) -> bool:
    """Tell whether stages would now run on another kind of engine than recorded, by a quick look."""
    if not record.exists():
        return False
    wanted = chosen(environment)
    if was_local(record):
        return wanted == DOCKER or (wanted != LOCAL and _docker_answers(environment))
    return wanted == LOCAL


def _docker_answers(environment: Mapping[str, str]) -> bool:
    if environment.get("DOCKER_HOST"):
        return True
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(_SOCKET)
        except OSError:
            return False
        return True
