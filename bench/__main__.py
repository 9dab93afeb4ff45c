"""`python -m bench [BENCHMARK ...]`: measures, prints a table, and writes it as JSON, Markdown and a plot.

The exit code is 0 even if a bound is missed: on a busy machine, the machine can be the cause.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import (
    accuracy,
    breakdown,
    busy,
    calibration,
    cluster,
    gantt,
    guide,
    hashing,
    machine,
    other_tools,
    plot,
    project,
    records,
    report,
    report_pages,
    search,
    simulator,
    stage_overhead,
    warm_store,
)
from bench.breakdown import Breakdown
from bench.busy import Busy
from bench.measure import Result
from bench.records import Record
from cvimake.builder.store.current import NONE, STORE_VARIABLE
from cvimake.core import announce, git
from cvimake.core.errors import CvimakeError
from cvimake.core.invocation import INVOKED_FROM

BENCHMARKS: Mapping[str, Callable[..., Iterator[Result]]] = {
    "stage-overhead": stage_overhead.run,
    "other-tools": other_tools.run,
    "warm-store": warm_store.run,
    "hashing": hashing.run,
    "calibration": calibration.run,
    "search": search.run,
    "simulator": simulator.run,
    "accuracy": accuracy.run,
    "guide": guide.run,
    "report": report_pages.run,
    "cluster": cluster.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all."""
    options = _options(arguments)
    # Paths of the builds are not relative to the folder in which this was started.
    os.environ.pop(INVOKED_FROM, None)
    # The measured stages have to run, and must not come from the store.
    os.environ[STORE_VARIABLE] = NONE
    benchmarks = dict(BENCHMARKS)
    builds: list[Breakdown] = []
    clusters: list[Busy] = []
    if options.models:
        benchmarks["calibration"] = functools.partial(calibration.run, root=options.models)
        benchmarks["guide"] = functools.partial(guide.run, root=options.models)
        benchmarks["simulator"] = functools.partial(simulator.run, root=options.models)
        benchmarks["accuracy"] = functools.partial(accuracy.run, root=options.models)
    if options.search:
        benchmarks["search"] = functools.partial(search.run, stages=options.search)
    if "guide" in benchmarks:
        benchmarks["guide"] = functools.partial(benchmarks["guide"], tell=builds.append)
    if "cluster" in benchmarks:
        benchmarks["cluster"] = functools.partial(benchmarks["cluster"], tell=clusters.append)
    repeats = {"repeats": options.repeats} if options.repeats else {}
    try:
        before = records.load(options.json) if options.add and options.json.exists() else []
        found = []
        for name in options.benchmark or benchmarks:
            found += _run(name, functools.partial(benchmarks[name], **repeats))
            # Saved after each benchmark: if the next one fails, an hour of measuring is not lost.
            records.save(records.merged(before, found), options.json)
    except CvimakeError as error:
        announce.note(str(error))
        return error.exit_code
    report.show(found)
    everything = records.merged(before, found)
    options.json.with_suffix(".md").write_text(report.markdown(everything), encoding="utf-8")
    plot.draw(everything, options.json.with_suffix(".svg"))
    for build in builds:
        report.show_breakdown(build)
        breakdown.save(build, breakdown.beside(options.json))
        gantt.draw(build, breakdown.beside(options.json).with_suffix(".svg"))
    if clusters:
        busy.save(clusters, busy.beside(options.json))
        busy.draw(clusters, busy.beside(options.json).with_suffix(".svg"))
    return 0


def _run(name: str, benchmark: Callable[[Path], Iterator[Result]]) -> list[Record]:
    date = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
    tree = git.tree(project.CHECKOUT, os.environ)
    commit = tree.described + ("+" if tree.changes else "")
    facts = machine.facts()
    with tempfile.TemporaryDirectory(prefix="cvimake-bench-") as scratch, announce.step(name):
        results = list(benchmark(Path(scratch).resolve()))
    return [Record(date=date, commit=commit, machine=facts, result=result) for result in results]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast cvimake is.")
    parser.add_argument("benchmark", nargs="*", help=f"one of {', '.join(BENCHMARKS)}; without, all")
    parser.add_argument(
        "--json", type=Path, default=Path("build/bench.json"), metavar="FILE",
        help="where results go; the table and the plot lie beside it, as .md and .svg [default: %(default)s]",
    )  # fmt: skip
    parser.add_argument(
        "--add", action="store_true",
        help="to what is in the file already; what is measured again takes the old one's place",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, metavar="N", help="how often each thing is run [default: the benchmark's own]"
    )
    parser.add_argument(
        "--models", type=Path, metavar="DIR",
        help="for calibration, simulator, accuracy and guide: a project with models [default: this checkout]",
    )  # fmt: skip
    parser.add_argument(
        "--search", action="append", metavar="PROJECT:MODEL:STAGE",
        help="a search to measure, in any project; may be given several times [default: this one's shapes]",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.benchmark) - BENCHMARKS.keys()):
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    if options.repeats is not None and options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
