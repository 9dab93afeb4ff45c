"""What the integration tests share: a sandbox over a folder of its own, with programs to run in it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from cvimake.core.action import Action, FileKind, Input, Limits, Output
from cvimake.core.invocation import INVOKED_FROM
from cvimake.execution.engine.docker import LABEL, DockerEngine
from cvimake.execution.sandbox import Sandbox
from cvimake.toolchain import commands

ROOT = Path(__file__).resolve().parents[2]
# The model that sees the whole toolchain in seconds, and its dataset, as a project has them.
EXAMPLE = ROOT / "tests"
PROBES = Path(__file__).parent / "probes"
# Long enough for a test to notice, short enough to do no harm where a test fails to end it.
ASLEEP = "import time; time.sleep(300)"
# No test asserts how long anything takes. A command that takes longer than this is taken to hang. It is many
# times as long as the longest one takes on a busy machine.
HANGS_AFTER = 2400.0
LIMITS = Limits(seconds=HANGS_AFTER)


@dataclass(frozen=True)
class Lab:
    """A sandbox whose inputs lie in `in` and whose outputs go to `out`, both below its root."""

    sandbox: Sandbox

    @property
    def root(self) -> Path:
        return self.sandbox.root

    def add_input(self, name: str, content: str | bytes) -> Path:
        path = self.root / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def action(
        self,
        probe: Path | str,
        *arguments: str,
        outputs: Mapping[str, FileKind] | None = None,
        limits: Limits = LIMITS,
    ) -> Action:
        """A run of a Python program, given as a file or as text, that sees all inputs added so far."""
        if isinstance(probe, str):
            probe = self.add_input("probe.py", probe)
        given = [path for path in sorted(self.root.glob("in/*")) if path.name != "probe.py"]
        kinds = {"out.json": FileKind.JSON} if outputs is None else outputs
        return Action(
            name=f"lab:{uuid.uuid4().hex}",
            argv=(*commands.DETERMINISTIC, "python3", "probe.py", *arguments),
            environment=commands.environment(),
            inputs=(
                Input(name="probe.py", path=probe),
                *(Input(name=path.name, path=path) for path in given),
            ),
            outputs=tuple(
                Output(name=name, path=Path("out", name), kind=kind) for name, kind in kinds.items()
            ),
            limits=limits,
        )

    def run(self, action: Action) -> Any:  # noqa: ANN401 - any JSON value
        """Runs it and returns what it wrote to `out.json`."""
        self.sandbox.run(action)
        return json.loads((self.root / "out" / "out.json").read_text(encoding="utf-8"))

    def published(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("out/*"))

    def left_over(self) -> list[str]:
        """What is left in the folder of the workspaces."""
        return sorted(path.name for path in self.root.glob("build/.work/*"))


def containers(engine: DockerEngine, action: str) -> list[Container]:
    """Return the containers of an action, running or not. Another run of the tests may use the same names."""
    return _labelled(engine, f"{LABEL}.action={action}")


def containers_of(engine: DockerEngine, process: int) -> list[Container]:
    """Return the containers of a process of cvimake, running or not."""
    return _labelled(engine, f"{LABEL}={process}")


def _labelled(engine: DockerEngine, label: str) -> list[Container]:
    found: list[Container] = engine.client.containers.list(
        all=True, ignore_removed=True, filters={"label": label}
    )
    return found


def is_running(engine: DockerEngine, action: str) -> bool:
    return any(container.status == "running" for container in containers(engine, action))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = HANGS_AFTER) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.05)


def environment(**variables: str) -> dict[str, str]:
    """The variables of a child process that is to use this checkout of cvimake."""
    mine = {name: value for name, value in os.environ.items() if name != INVOKED_FROM}
    return {**mine, "PYTHONPATH": str(ROOT), **variables}
