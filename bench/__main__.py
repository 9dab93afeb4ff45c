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

from bench import no_op, report, search, step_overhead, thousand_models
from bench.measure import Result, machine
from cvimake import announce
from cvimake.commands.run import INVOKED_FROM
from cvimake.errors import CvimakeError

BENCHMARKS: dict[str, Callable[[Path], Iterator[Result]]] = {
    "step-overhead": step_overhead.run,
    "no-op": no_op.run,
    "thousand-models": thousand_models.run,
    "search": functools.partial(search.run, stages=[search.DEFAULT]),
}


def main(arguments: Sequence[str]) -> int:
    """Runs the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast cvimake is.")
    parser.add_argument("benchmark", nargs="*", help=f"one of {', '.join(BENCHMARKS)}; without, all")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="[default: %(default)s]")
    parser.add_argument(
        "--search",
        action="append",
        metavar="PROJECT:MODEL:STAGE",
        help="a search to measure, in any project; may be given several times [default: this one's shapes]",
    )
    options = parser.parse_args(arguments)
    benchmarks = dict(BENCHMARKS)
    if options.search:
        benchmarks["search"] = functools.partial(search.run, stages=options.search)
    if unknown := sorted(set(options.benchmark) - BENCHMARKS.keys()):
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    # The builds are not meant from where this was started.
    os.environ.pop(INVOKED_FROM, None)
    facts = machine()
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
