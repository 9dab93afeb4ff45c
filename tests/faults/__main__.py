"""`python -m tests.faults [CAMPAIGN ...]`: disturbs builds, prints a table, writes every case to a JSON file.

The exit code is 0 where no fault was found, and 1 where one was.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cvimake.cli.interruption import ends_cleanly
from cvimake.core import announce
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import Recipe
from tests.faults import cases, concurrency, corruption, kills
from tests.faults.cases import Case
from tests.faults.engine import private_engine
from tests.faults.victims import HARMLESS


def _kills(scratch: Path, options: argparse.Namespace, image_id: str) -> Iterator[Case]:
    yield from kills.run(scratch, "tiny", HARMLESS, options.kills, options.seed)
    yield from kills.run(scratch, "shapes", HARMLESS, options.bundled_kills, options.seed)
    if options.engine_kills:
        with private_engine(scratch, image_id) as engine:
            yield from kills.run(
                scratch, "tiny", ["engine"], options.engine_kills, options.seed, engine=engine
            )


def _pairs(scratch: Path, options: argparse.Namespace, _image_id: str) -> Iterator[Case]:
    return concurrency.run(scratch, options.pairs, options.seed)


def _damages(scratch: Path, options: argparse.Namespace, _image_id: str) -> Iterator[Case]:
    return corruption.run(scratch, options.damages, options.seed)


CAMPAIGNS: dict[str, Callable[[Path, argparse.Namespace, str], Iterator[Case]]] = {
    "kills": _kills,
    "concurrency": _pairs,
    "corruption": _damages,
}


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Whether builds can be trusted."
    )
    parser.add_argument("campaign", nargs="*", help=f"one of {', '.join(CAMPAIGNS)}; without, all")
    add = parser.add_argument
    add("--kills", type=int, default=100, help="of builds of the tiny model [default: %(default)s]")
    add("--bundled-kills", type=int, default=5, help="of builds of models/shapes [default: %(default)s]")
    add(
        "--engine-kills",
        type=int,
        default=0,
        help="of an engine of its own, started for that; takes root [default: %(default)s]",
    )
    add("--pairs", type=int, default=20, help="of builds at the same time [default: %(default)s]")
    add("--damages", type=int, default=60, help="to results and databases [default: %(default)s]")
    add("--seed", type=int, help="to repeat a campaign [default: another each time]")
    add("--json", type=Path, default=Path("build/faults.json"), help="[default: %(default)s]")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.campaign) - CAMPAIGNS.keys()):
        parser.error(f"no campaign {', '.join(unknown)}: there are {', '.join(CAMPAIGNS)}")
    if options.engine_kills and os.geteuid() != 0:
        parser.error("--engine-kills: starting a second engine takes root")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(2**32)
    return options


def main(arguments: Sequence[str]) -> int:
    """Runs the named campaigns, or all."""
    options = _options(arguments)
    # In the background, builds would inherit an ignored Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    announce.note(f"seed {options.seed}")
    found: list[Case] = []
    with (
        ends_cleanly("interrupted"),
        contextlib.closing(connection.ensure(os.environ)) as client,
        tempfile.TemporaryDirectory(prefix="cvimake-faults-") as name,
    ):
        scratch = Path(name).resolve()
        engine, recipe = DockerEngine(client, os.environ), Recipe.from_environment(os.environ)
        image_id = making.ensure(engine, recipe, scratch, os.environ).id
        try:
            for campaign in options.campaign or CAMPAIGNS:
                for case in CAMPAIGNS[campaign](scratch, options, image_id):
                    found.append(case)
                    told = "; ".join(case.faults) or ("ok" if case.struck else "missed")
                    announce.note(f"{len(found)} {case.campaign}, {case.kind}, {case.place}: {told}")
        finally:
            cases.show(found)
            cases.save(found, options.seed, options.json)
    return int(any(case.faults for case in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
