"""`./doit plan` of a project of 1,000 models: with nothing to do, and with everything."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bench import project
from bench.measure import Comparison, Result, alternate, timed

MODELS = 1000
REPEATS = 5
# A plan has to look at all that a build with nothing to do looks at, and tells of 7,000 stages.
BOUND_NOTHING = 1.5
BOUND_EVERYTHING = 4.0


def run(scratch: Path) -> Iterator[Result]:
    """Measures it in an empty folder."""
    done, fresh = scratch / "done", scratch / "fresh"
    for folder in (done, fresh):
        folder.mkdir()
        project.write(folder, MODELS)
    project.mark_done(done)
    build, _ = project.commands(done)
    plans = {
        "nothing": ([*build, "plan"], done),
        "everything": ([str(project.add_launcher(fresh)), "plan"], fresh),
    }
    runs = {name: functools.partial(timed, *plan) for name, plan in plans.items()}
    times = alternate({"build": functools.partial(timed, build, done), **runs}, REPEATS)
    for name, bound in (("nothing", BOUND_NOTHING), ("everything", BOUND_EVERYTHING)):
        yield Result(
            benchmark="thousand-plans",
            figure=f"plan, {name} to do, {MODELS:,} models",
            times=times[name],
            against="./doit with nothing to do",
            against_times=times["build"],
            comparison=Comparison.RATIO,
            bound=bound,
        )
