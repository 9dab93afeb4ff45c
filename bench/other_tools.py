"""Measures a build with nothing to do and a plan, for 1, 100 and 1,000 models, against other build tools.

All tools have the same graph over the same files. They look at different properties of the files;
docs/performance.md says which. Our time includes the launcher. With nothing to do, ours is also measured
without kept answers: then it reads and checks all declarations, while the others get the finished graph.
After one option was changed, our plan is compared with their run with nothing to do.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import project, tools
from bench.measure import Comparison, Result, Runs, Scale, Unit, alternate, peak, timed, timed_output
from bench.tools import CVIMAKE, DOIT, Ready
from cvimake.cli.answers.request import VARIABLE

# How often each is run, by the number of models.
REPEATS = {1: 11, 100: 7, 1000: 5}
# The seconds after which a run is ended, and those after which a run is ended that only gets a tool ready.
LIMIT = 120.0
PREPARATION = 900.0
# Seconds after which a change of a file is certainly older than the next process.
_AT_REST = 0.1
_BUILD, _PLAN, _WHY, _LIST, _FULL, _PLAN_OF_ALL = (
    "./doit, nothing to do",
    "./doit plan, nothing to do",
    "./doit why m0000, nothing to do",
    "./doit list --all, nothing to do",
    "./doit without kept answers, nothing to do",
    "./doit plan, everything to do",
)
_EDITED = "./doit plan, one option changed"
# Our commands that other tools are not compared in.
_LOOKS = {_WHY: ("why", "m0000"), _LIST: ("list", "--all")}
# The comparison and its bound, by the number of models, what is done, and the tool that is compared.
BOUNDS = {
    # In seconds: a person takes this for immediate.
    (1, _BUILD, DOIT.name): (Comparison.ITSELF, 0.1),
    (1, _FULL, DOIT.name): (Comparison.ITSELF, 0.4),
    (1000, _BUILD, DOIT.name): (Comparison.RATIO, 0.33),
    (1000, _BUILD, "ninja"): (Comparison.ITSELF, 0.35),
    # doit gets the finished graph, and does not read and check 1,000 declarations.
    (1000, _FULL, DOIT.name): (Comparison.RATIO, 2.5),
    (1000, _EDITED, DOIT.name): (Comparison.RATIO, 1.5),
    **{(1000, doing, CVIMAKE.name): (Comparison.ITSELF, 0.5) for doing in (_PLAN, _WHY, _LIST)},
    # Here it also reads all declarations, and prints 8,000 stages.
    (1000, _PLAN_OF_ALL, CVIMAKE.name): (Comparison.RATIO, 4.0),
}
# In MiB, for 1,000 models.
_MOST_MEMORY = 60.0


def run(scratch: Path, repeats: int | None = None) -> Iterator[Result]:
    """Measure it in an empty folder.

    Args:
        scratch: the folder.
        repeats: how often each is run; None for the numbers in `REPEATS`.
    """
    for models, usual in REPEATS.items():
        folder = scratch / str(models)
        folder.mkdir()
        yield from _of_size(folder, models, repeats or usual)


def _of_size(folder: Path, models: int, repeats: int) -> Iterator[Result]:
    done, fresh = folder / "done", folder / "fresh"
    for root in (done, fresh):
        root.mkdir()
        project.write(root, models)
    ours, *others = tools.ready((CVIMAKE, *tools.OTHERS), done, PREPARATION)
    plan_of_all = [str(project.add_launcher(fresh)), *CVIMAKE.plan]
    full = ["env", f"{VARIABLE}=1", *ours.build]
    installed = [tool for tool in (ours, *others) if not tool.missing]
    times = alternate(
        {
            **{(_BUILD, tool.name): functools.partial(timed, tool.build, done, LIMIT) for tool in installed},
            **{(_PLAN, tool.name): functools.partial(timed, tool.plan, done, LIMIT) for tool in installed},
            **{
                (doing, ours.name): functools.partial(timed, [ours.build[0], *arguments], done, LIMIT)
                for doing, arguments in _LOOKS.items()
            },
            (_FULL, ours.name): functools.partial(timed, full, done, LIMIT),
            (_EDITED, ours.name): functools.partial(_edited, ours, done),
            (_PLAN_OF_ALL, ours.name): functools.partial(timed, plan_of_all, fresh, LIMIT),
        },
        repeats,
    )

    def result(benchmark: str, doing: str, other: Ready, theirs: str) -> Result:
        """Return a result of ours against that of another tool, or against another result of ours."""
        comparison, bound = BOUNDS.get((models, doing, other.name), (Comparison.RATIO, None))
        return Result(
            benchmark=benchmark,
            figure=doing,
            scale=Scale(models, "model"),
            ours=times[doing, ours.name],
            against=other.label if other is not ours else theirs,
            theirs=times.get((theirs, other.name), Runs(missing=other.missing)),
            comparison=comparison,
            bound=bound,
        )

    for doing, theirs in ((_BUILD, _BUILD), (_FULL, _BUILD), (_EDITED, _BUILD), (_PLAN, _PLAN)):
        for other in others:
            yield result("other-tools", doing, other, theirs)
    for doing in (_PLAN, *_LOOKS):
        yield result("plan", doing, ours, _BUILD)
    yield result("plan", _PLAN_OF_ALL, ours, _FULL)
    if models == max(REPEATS):
        slow = [tool.name for tool in others if not tool.missing and times[_BUILD, tool.name].ended]
        reason = f"its run was ended after {LIMIT:.0f} s"
        measured = [
            dataclasses.replace(tool, missing=reason) if tool.name in slow else tool for tool in others
        ]
        yield from _memory(models, done, ours, measured, repeats)


def _edited(ours: Ready, root: Path) -> float:
    """Return the seconds of a plan after an option of one model was changed; the option is changed back."""
    declaration = root / "models" / "m0000" / "model.toml"
    text = declaration.read_text(encoding="utf-8")
    try:
        _write(declaration, text.replace("expected_cos = 0.9999", "expected_cos = 0.9998"))
        seconds, output = timed_output(ours.plan, root, LIMIT)
    finally:
        _write(declaration, text)
    if "m0000:mix_qtable" not in output:
        raise RuntimeError(f"the changed option was not noticed:\n{output[-2000:]}")
    # The file is another one now. The next measured runs have to find answers that hold.
    for command in (ours.build, ours.plan, *([ours.build[0], *arguments] for arguments in _LOOKS.values())):
        timed(command, root, LIMIT)
    return seconds


def _write(path: Path, text: str) -> None:
    """Write a file, and wait until it is at rest: otherwise no answer is kept."""
    path.write_text(text, encoding="utf-8")
    time.sleep(_AT_REST)


def _memory(models: int, root: Path, ours: Ready, others: list[Ready], repeats: int) -> Iterator[Result]:
    """Return the peak memory of the process of each tool while it finds nothing to do."""
    runs: Mapping[str, Runs] = alternate(
        {
            tool.name: functools.partial(peak, tool.build, root, LIMIT)
            for tool in (ours, *others)
            if not tool.missing
        },
        repeats,
    )
    for other in others:
        yield Result(
            benchmark="other-tools",
            figure=_BUILD,
            scale=Scale(models, "model"),
            ours=runs[ours.name],
            against=other.label,
            theirs=runs.get(other.name, Runs(missing=other.missing)),
            unit=Unit.MEBIBYTES,
            comparison=Comparison.ITSELF if other.name == DOIT.name else Comparison.RATIO,
            bound=_MOST_MEMORY if other.name == DOIT.name else None,
        )
