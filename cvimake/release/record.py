"""The build record: facts about one build of a release that differ from build to build."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cvimake import __version__
from cvimake.builder.history import History
from cvimake.execution.logs import log_path
from cvimake.release.contents import Content, as_json
from cvimake.release.materials import bill


def files(
    stages: Iterable[str],
    history: History,
    identities: Mapping[str, Mapping[str, Any]],
    machine: Mapping[str, Any],
    started: float,
) -> dict[str, Content]:
    """Return the files of a build record.

    Args:
        stages: the names of the stages that made the release.
        history: has the time and duration of their last runs.
        identities: the contents of each image that they ran in, by the image's name.
        machine: the engine's machine, as a JSON value.
        started: the time at which the release began, in seconds since 1970.
    """
    names = list(stages)
    logs = {
        f"logs/{path.parent.name}/{path.name}": path
        for name in names
        if (path := log_path(Path(), name)).is_file()
    }
    record = {
        "started": _time(started),
        "ended": _time(time.time()),
        "seconds": round(time.time() - started, 1),
        "host": {
            "cvimake": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "user": os.geteuid(),
        },
        "machine": dict(machine),
        "stages": [_stage(name, history) for name in names],
    }
    bills = {f"{name}.cdx.json": as_json(bill(name, identity)) for name, identity in identities.items()}
    return {"record.json": as_json(record), **bills, **logs}


def _stage(name: str, history: History) -> dict[str, Any]:
    run = history.last(name)
    return {
        "name": name,
        "ended": _time(run.ended) if run else None,
        "seconds": round(run.seconds, 1) if run else None,
    }


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
