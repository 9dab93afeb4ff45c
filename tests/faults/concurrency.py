"""Pairs of builds at the same time: in one project, of parts of it, in two projects, one of them killed."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
from tests.faults.cases import Case
from tests.faults.site import SECONDS, Site, Undisturbed, containers, died, faults_after, last_lines

_BUILT = re.compile(r"^(\S+): built in ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two builds at the same time.

    Attributes:
        first: the arguments of the first one.
        second: of the second one.
        apart: whether each has a project of its own.
        kills_first: whether the first one is killed while the second one waits for it.
    """

    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    apart: bool = False
    kills_first: bool = False


PAIRS = {
    "the same": Pair(),
    "a part and all": Pair(first=("tiny:f16",)),
    "all and a part": Pair(second=("tiny:int8_info",)),
    "two parts": Pair(first=("tiny:int8",), second=("tiny:mix_qtable",)),
    "two projects": Pair(apart=True),
    "one of them killed": Pair(kills_first=True),
}


def run(scratch: Path, count: int, seed: int) -> Iterator[Case]:
    """Builds so many pairs, in turns of their kinds; the second one begins at a random moment."""
    chance = random.Random(f"{seed} pairs")
    site, other = (Site.make(scratch / f"pairs-{name}", "tiny") for name in ("one", "other"))
    undisturbed = site.undisturbed()
    longest = sum(undisturbed.seconds.values()) / 2
    kinds = list(PAIRS)
    with contextlib.closing(docker.from_env()) as client:
        for number in range(count):
            kind = kinds[number % len(kinds)]
            # Half of them as close together as they can be: that is where locks and folders are made.
            delay = chance.choice([0.0, chance.random() * longest])
            yield _case(kind, site, other, undisturbed, client, delay)


def _case(  # noqa: PLR0913, PLR0917 - all that a case is made of
    kind: str, site: Site, other: Site, undisturbed: Undisturbed, client: docker.DockerClient, delay: float
) -> Case:
    pair, faults = PAIRS[kind], list[str]()
    site.clear()
    other.clear()
    with site.started(*pair.first) as first:
        time.sleep(delay)
        at_once = first.poll() is None
        with (other if pair.apart else site).started(*pair.second) as second:
            if pair.kills_first:
                time.sleep(1.0)
                first.send_signal(signal.SIGKILL)
            outputs = [process.communicate(timeout=SECONDS)[0] for process in (first, second)]
    for process, output in zip((first, second), outputs, strict=True):
        right = {0, -9} if pair.kills_first and process is first else {0}
        if process.returncode not in right or died(output):
            faults.append(f"one ended with {process.returncode}: {last_lines(output)}")
    built = _BUILT.findall("".join(outputs))
    if not pair.apart and len(built) != len(set(built)):
        faults.append(f"built twice: {sorted({stage for stage in built if built.count(stage) > 1})}")
    for one in (site, other) if pair.apart else (site,):
        faults += faults_after(one, undisturbed, client)
    if any(containers(client, process.pid) for process in (first, second)):
        faults.append("a container is left")
    return Case(
        campaign="concurrency",
        kind=kind,
        place="at the start" if delay == 0.0 else "while it ran",
        struck=at_once,
        faults=tuple(faults),
        facts={"delay": round(delay, 3), "built": built},
    )
