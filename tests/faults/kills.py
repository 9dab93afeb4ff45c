"""Kills at random moments of a build, each followed by a build that must not show it."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
from cvimake.execution.engine.docker import LABEL
from tests.faults.cases import Case
from tests.faults.engine import PrivateEngine
from tests.faults.site import (
    ENDING_SECONDS,
    Site,
    Undisturbed,
    containers,
    died,
    faults_after,
    last_lines,
    until,
)
from tests.faults.victims import VICTIMS, Scene

# Before its first stage, a build reads its declarations and finds its engine.
BEGINNING = "beginning"
_BEGINNING_SECONDS = 0.8
# A moment can fall behind the end of a stage that is faster this time.
_ATTEMPTS = 4


def run(  # noqa: PLR0913 - what a campaign is made of
    scratch: Path,
    model: str,
    victims: Sequence[str],
    count: int,
    seed: int,
    *,
    engine: PrivateEngine | None = None,
) -> Iterator[Case]:
    """Kills so many builds of a model, in turns of the victims and of the stages."""
    if not count:
        return
    chance = random.Random(f"{seed} {model} {victims}")
    variables = {"DOCKER_HOST": engine.host} if engine else {}
    site = Site.make(scratch / f"kills-{model}-{'-'.join(victims)}", model, variables)
    undisturbed = site.undisturbed()
    with contextlib.closing(engine.client() if engine else docker.from_env()) as client:
        moments = {name: _moments(name, undisturbed, chance) for name in victims}
        for number in range(count):
            name = victims[number % len(victims)]
            for _ in range(_ATTEMPTS):
                case = _case(site, undisturbed, client, engine, name, next(moments[name]), chance)
                yield case
                if case.struck:
                    break


def _moments(victim: str, undisturbed: Undisturbed, chance: random.Random) -> Iterator[str]:
    """Every stage in turn, in an order of chance; before the first there is no container to strike."""
    stages = undisturbed.stages + ([] if victim in {"container", "tool"} else [BEGINNING])
    while True:
        yield from chance.sample(stages, len(stages))


def _case(  # noqa: PLR0913, PLR0917 - all that a case is made of
    site: Site,
    undisturbed: Undisturbed,
    client: docker.DockerClient,
    engine: PrivateEngine | None,
    name: str,
    stage: str,
    chance: random.Random,
) -> Case:
    victim, fraction, faults = VICTIMS[name], chance.random(), list[str]()
    site.clear()
    with site.started() as process:
        if stage == BEGINNING:
            time.sleep(fraction * _BEGINNING_SECONDS)
        elif until(lambda: site.has_begun(stage), process):
            time.sleep(fraction * undisturbed.seconds[stage])
        running = sorted(one.labels[f"{LABEL}.action"] for one in containers(client, process.pid))
        struck = victim.strike(Scene(process, client, engine, chance))
        try:
            output, _ = process.communicate(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            faults.append(f"the build did not end within {ENDING_SECONDS:g} s")
            process.kill()
            output, _ = process.communicate()
    if engine:
        engine.wait()
    # Nothing of cvimake runs yet where Python itself is still starting.
    if struck and stage != BEGINNING:
        if process.returncode not in victim.exit_codes:
            faults.append(f"the build ended with {process.returncode}: {last_lines(output)}")
        if died(output):
            faults.append(f"the build died: {last_lines(output)}")
    if victim.cleans_up and containers(client, process.pid):
        faults.append("the build left a container")
    faults += faults_after(site, undisturbed, client)
    if containers(client, process.pid):
        faults.append("a container of the struck build is still there")
    return Case(
        campaign=f"kills of {site.model}",
        kind=name,
        place=stage.rpartition(":")[2],
        struck=struck,
        faults=tuple(faults),
        facts={"fraction": round(fraction, 4), "exit_code": process.returncode, "running": running},
    )
