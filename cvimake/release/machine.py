"""The machine that stages run on: why its results may differ from others, and facts for the build record."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvimake.core.action import Action, FileKind, Limits, Output
from cvimake.core.system import WITHOUT_AVX2
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.engine.local import LocalEngine
from cvimake.execution.runtime import Runtime
from cvimake.toolchain import commands


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The engine's machine, which may not be this one.

    Attributes:
        not_held: reasons why another machine may make other bytes, as text for people.
        record: other facts about it, as a JSON value.
    """

    not_held: tuple[str, ...]
    record: dict[str, Any]


def look(runtimes: Mapping[str, Runtime]) -> Machine:
    """Describe the machine, seen from inside a container.

    Args:
        runtimes: the runtimes that stages ran in, by the image's name. The first one is used.

    Raises:
        CvimakeError: the engine failed.
    """
    with tempfile.TemporaryDirectory(prefix="cvimake-") as folder:
        seen = Path(folder) / "machine.txt"
        command = "uname -srm >machine.txt && cat /proc/cpuinfo >>machine.txt"
        action = Action(
            name="release:machine",
            argv=(*commands.DETERMINISTIC, "sh", "-c", command),
            environment=commands.environment(),
            inputs=(),
            outputs=(Output(name=seen.name, path=seen, kind=FileKind.TEXT),),
            limits=Limits(seconds=60.0),
        )
        next(iter(runtimes.values())).sandbox.run(action)
        text = seen.read_text(encoding="utf-8", errors="replace")
    return described(text, runtimes)


def described(text: str, runtimes: Mapping[str, Runtime]) -> Machine:
    """Describe a machine by the output of `uname -srm`, followed by its `/proc/cpuinfo`."""
    runtime = next(iter(runtimes.values()))
    kernel, _, processors = text.partition("\n")
    engine = runtime.sandbox.engine
    not_held = list(engine.not_held()) if isinstance(engine, LocalEngine) else []
    if not re.search(r"^flags\s*:.*\bavx2\b", processors, re.MULTILINE):
        not_held.append(WITHOUT_AVX2)
    model = re.search(r"^model name\s*:\s*(.+)$", processors, re.MULTILINE)
    return Machine(
        not_held=tuple(not_held),
        record={
            "kernel": kernel,
            "processor": model[1] if model else "",
            "cores": len(re.findall(r"^processor\s*:", processors, re.MULTILINE)),
            "engine": _engine(engine),
            "images": {name: runtime.image.id for name, runtime in runtimes.items()},
            "base": runtime.image.base,
        },
    )


def _engine(engine: object) -> dict[str, Any]:
    if isinstance(engine, DockerEngine):
        version = engine.client.version()
        return {"kind": "docker", **{key.lower(): version.get(key, "") for key in ("Version", "Os", "Arch")}}
    return {"kind": "local"}
