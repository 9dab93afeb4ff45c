"""`python -m bench [BENCHMARK ...]`: measures, prints a table, and writes everything to a JSON file.

The exit code is 0 also where a bound is missed: on a busy machine that can be the machine's doing.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import (
    calibration,
    guide,
    hashing,
    no_op,
    report,
    search,
    step_overhead,
    thousand_models,
    thousand_plans,
    warm_store,
)
from bench.measure import Result, machine
from cvimake import announce
from cvimake.commands.run import INVOKED_FROM
from cvimake.errors import CvimakeError
from cvimake.store.current import NONE, STORE_VARIABLE

BENCHMARKS: dict[str, Callable[[Path], Iterator[Result]]] = {
    "step-overhead": step_overhead.run,
    "no-op": no_op.run,
    "thousand-models": thousand_models.run,
    "warm-store": warm_store.run,
    "thousand-plans": thousand_plans.run,
    "hashing": hashing.run,
    "calibration": calibration.run,
    "search": functools.partial(search.run, stages=[search.DEFAULT]),
    "guide": guide.run,
}


def main(arguments: Sequence[str]) -> int:
    """Runs the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast cvimake is.")
    parser.add_argument("benchmark", nargs="*", help=f"one of {', '.join(BENCHMARKS)}; without, all")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="[default: %(default)s]")
    parser.add_argument(
        "--models", type=Path, metavar="DIR",
        help="for calibration and guide: a project, whose models are measured [default: this checkout]",
    )  # fmt: skip
    parser.add_argument(
        "--search",
        action="append",
        metavar="PROJECT:MODEL:STAGE",
        help="a search to measure, in any project; may be given several times [default: this one's shapes]",
    )
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.benchmark) - BENCHMARKS.keys()):
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    # The builds are not meant from where this was started.
    os.environ.pop(INVOKED_FROM, None)
    # What is measured is to run.
    os.environ[STORE_VARIABLE] = NONE
    facts = machine()
    benchmarks = BENCHMARKS | {
        "calibration": functools.partial(calibration.run, root=options.models),
        "guide": functools.partial(guide.run, root=options.models),
        "search": functools.partial(search.run, stages=options.search or [search.DEFAULT]),
    }
    results: list[Result] = []
    try:
        for name in options.benchmark or BENCHMARKS:
            with tempfile.TemporaryDirectory(prefix="cvimake-bench-") as scratch, announce.step(name):
                results += benchmarks[name](Path(scratch).resolve())
    except CvimakeError as error:
        announce.note(str(error))
        return error.exit_code
    report.show(results, facts)
    report.save(results, facts, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
