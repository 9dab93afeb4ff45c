"""Breaks the time of one build down: when each stage ran, on how many cores, and what it had waited for."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench import project
from cvimake.builder.events import AnyEvent, Done, Event, Failed, Grew, Started
from cvimake.builder.records import CORES

# The most seconds between the end of a stage and the beginning of another that waits for nothing else.
_AT_ONCE = 1.0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A stage that ran.

    Attributes:
        stage: `MODEL:STAGE`.
        began: seconds after the build's beginning.
        ended: the same.
        cores: the number of cores that it could use when it began.
        after: the stage whose results it had waited for last; empty if it needs none that ran.
        ready: when all that it needs was there, in seconds after the build's beginning.
        grew: the number of cores that it could use later, each with the seconds after the build's beginning.
    """

    stage: str
    began: float
    ended: float
    cores: int
    after: str
    ready: float
    grew: tuple[tuple[float, int], ...] = ()

    @property
    def seconds(self) -> float:
        """Return how long it ran."""
        return self.ended - self.began

    @property
    def parts(self) -> tuple[tuple[float, float, int], ...]:
        """Return the beginning, the end and the number of cores of each part of its time."""
        begins = ((self.began, self.cores), *self.grew)
        ends = (*(moment for moment, _ in self.grew), self.ended)
        return tuple((begin, end, cores) for (begin, cores), end in zip(begins, ends, strict=True))

    @property
    def core_seconds(self) -> float:
        """Return the seconds of all cores that it could use."""
        return sum(cores * (end - begin) for begin, end, cores in self.parts)

    @property
    def all_cores(self) -> str:
        """Return the numbers of cores that it could use, as text."""
        return ", then ".join(str(cores) for _, _, cores in self.parts)

    @property
    def waited(self) -> float:
        """Return the seconds that it waited for a core, after all that it needs was there."""
        waited = self.began - self.ready
        return waited if waited > _AT_ONCE else 0.0


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """One build.

    Attributes:
        name: the measurement that it belongs to.
        seconds: from the start of the command to its end.
        cores: of the machine.
        idle: seconds that the processors had nothing to do, of all cores together, as the kernel counts them.
        stages: those that ran, in the order of their beginning.
    """

    name: str
    seconds: float
    cores: int
    idle: float
    stages: tuple[Ran, ...]

    @property
    def core_seconds(self) -> float:
        """Return the seconds of all cores together."""
        return self.cores * self.seconds

    @property
    def unused(self) -> float:
        """Return the core seconds that no stage could use."""
        return self.core_seconds - sum(ran.core_seconds for ran in self.stages)

    def freed_by(self, ran: Ran) -> str:
        """Return the stage whose end let another begin that had waited for a core; empty if it had not."""
        if not ran.waited:
            return ""
        before = [other for other in self.stages if other.ended <= ran.began]
        return max(before, key=lambda other: other.ended).stage if before else ""


def measure(name: str, launcher: Path, root: Path) -> Breakdown:
    """Build a project, and break the time down.

    Args:
        name: the measurement.
        launcher: its `./doit`.
        root: its folder.

    Raises:
        RuntimeError: the build failed.
    """
    started, before = time.monotonic(), _idle()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [str(launcher), "run", "--json"], cwd=root, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        # Each line comes when its event happens.
        told = [
            (time.monotonic() - started, Event.model_validate_json(line).root)
            for line in process.stdout or ()
        ]
        code = process.wait()
        errors.seek(0)
        text = errors.read()
    seconds, idle = time.monotonic() - started, _idle() - before
    if code:
        failures = [event.cause for _, event in told if isinstance(event, Failed)]
        raise RuntimeError("\n".join([f"{launcher} failed with exit code {code}:", *failures, text]))
    names = [event.stage for _, event in told if isinstance(event, Started)]
    with project.working_in(root):
        needed, cores = _graph(root, names)
    return Breakdown(
        name=name, seconds=seconds, cores=os.cpu_count() or 1, idle=idle, stages=stages(told, needed, cores)
    )


def stages(
    told: Iterable[tuple[float, AnyEvent]], needed: Mapping[str, Iterable[str]], cores: Mapping[str, int]
) -> tuple[Ran, ...]:
    """Return the stages that ran.

    Args:
        told: the events of the build, each with the seconds after its beginning.
        needed: for each stage, the stages that it needs.
        cores: the cores that each stage could use, if they did not become more.
    """
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    grew: dict[str, list[tuple[float, int]]] = {}
    first: dict[str, int] = {}
    for seconds, event in told:
        match event:
            case Started():
                began[event.stage] = seconds
            case Done():
                ended[event.stage] = seconds
            case Grew():
                first.setdefault(event.stage, event.before)
                grew.setdefault(event.stage, []).append((seconds, event.cores))
            case _:
                pass
    found = []
    for stage, start in sorted(began.items(), key=lambda item: item[1]):
        before = [name for name in needed.get(stage, ()) if name in ended]
        last = max(before, key=ended.__getitem__, default="")
        ready = ended.get(last, min(began.values()))
        found.append(
            Ran(
                stage=stage,
                began=start,
                ended=ended[stage],
                cores=first.get(stage, cores.get(stage, 1)),
                after=last,
                ready=ready,
                grew=tuple(grew.get(stage, ())),
            )
        )
    return tuple(found)


def rows(of: Breakdown) -> list[tuple[str, ...]]:
    """Return a line of text for each stage: name, cores, beginning, end, core seconds, and its waits."""
    return [
        (
            ran.stage,
            ran.all_cores,
            f"{ran.began:.1f} s",
            f"{ran.ended:.1f} s",
            f"{ran.core_seconds:.1f} s",
            ran.after or "-",
            f"{ran.waited:.1f} s, until the end of {of.freed_by(ran)}" if of.freed_by(ran) else "-",
        )
        for ran in of.stages
    ]


HEADINGS = ("stage", "cores", "began", "ended", "core seconds", "needed last", "waited for a core")


def summary(of: Breakdown) -> str:
    """Return the sums in a sentence."""
    return (
        f"{of.name}: {of.seconds:.1f} s on {of.cores} cores are {of.core_seconds:.1f} core seconds. In "
        f"{of.unused:.1f} of them no stage had the core ({of.unused / of.core_seconds:.1%}), and in "
        f"{of.idle:.1f} the processor had nothing to do ({of.idle / of.core_seconds:.1%})."
    )


def beside(results: Path) -> Path:
    """Return the path of the breakdown that belongs to a file of results."""
    return results.with_name(f"{results.stem}-build.json")


_BREAKDOWN = TypeAdapter(Breakdown)


def save(of: Breakdown, path: Path) -> None:
    """Write it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_BREAKDOWN.dump_python(of, mode="json"), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Breakdown:
    """Read a file that `save` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """
    return _BREAKDOWN.validate_json(path.read_bytes())


def _graph(root: Path, names: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the stages that each stage needs, and the cores that each had when it last ran."""
    with project.graph_of(root) as (known, records):
        values = {name: records.get_values(name) or {} for name in names}
    return (
        {name: list(known[name].task_dep) for name in names if name in known},
        {name: int(value.get(CORES, 1)) for name, value in values.items()},
    )


def _idle() -> float:
    """Return the seconds that all processors together had nothing to do since the machine started."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    idle, waiting = line.split()[4:6]
    return (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK")
