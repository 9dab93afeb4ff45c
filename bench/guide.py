"""Measures a project built from nothing, and after each of three changes, against its commands by hand.

"By hand" is the way of the model conversion guide: one command of the toolchain after another in one
container, and all of them again after any change. They run in the same image, with the same arguments and on
the same files, but without the measures that make our results reproducible: these take time, too.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from bench import breakdown, project
from bench.breakdown import Breakdown
from bench.measure import Result, Runs, Unit, timed
from cvimake.builder import unbuildable
from cvimake.core.action import Action
from cvimake.core.paths import BUILD
from cvimake.execution.engine import connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.sandbox import WORKSPACE
from cvimake.pipeline import inputs
from cvimake.pipeline.stages import calibration, cvimodel, mlir, qtable
from cvimake.project import DeclaredModel, read_declarations
from cvimake.toolchain import commands

REPEATS = 1
# The bounds: the time of a build as a fraction of the time of the commands.
FROM_NOTHING = 0.3
# The bound of the core seconds in which the processor had nothing to do.
_IDLE = 0.1
CHANGES = {"an option of one variant changed": 0.3, "one image added": 0.55, "re-exported": 0.1}
_BY_HAND, _FROM_NOTHING = "its commands by hand", "from nothing"
# The container programs that stand in for a tool, and the tools that are run by hand in their place.
_TOOLS = {
    "model_transform.py": "model_transform.py",
    "calibrate.py": "run_calibration.py",
    "search.py": "run_qtable.py",
    "model_deploy.py": "model_deploy.py",
}
# Settings that make results reproducible, and nothing faster.
_HELD_STILL = (
    "LD_PRELOAD",
    "FAKETIME",
    "DONT_FAKE_MONOTONIC",
    "FAKETIME_FORCE_MONOTONIC_FIX",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
# The guide measures no accuracy.
_ACCURACY = re.compile(r"^\[accuracy\]\n(?:(?!\[).*\n)*", re.MULTILINE)
_NOT_COPIED = shutil.ignore_patterns("build", ".venv", ".git", ".cvimake")


def run(
    scratch: Path,
    repeats: int = REPEATS,
    root: Path = project.CHECKOUT,
    tell: Callable[[Breakdown], object] = lambda _: None,
) -> Iterator[Result]:
    """Measure it.

    Args:
        scratch: an empty folder.
        repeats: how often each is run.
        root: the project's folder.
        tell: gets the breakdown of each build from nothing.
    """
    ours, by_hand = scratch / "ours", scratch / "by-hand"
    names = (_BY_HAND, _FROM_NOTHING, *CHANGES)
    times: dict[str, list[float]] = {name: [] for name in names}
    disk: dict[str, list[float]] = {name: [] for name in names[:2]}
    idle: list[Breakdown] = []
    for _ in range(repeats):
        for folder in (ours, by_hand):
            shutil.rmtree(folder, ignore_errors=True)
        _copy(root.resolve(), ours)
        times[_BY_HAND].append(_run_by_hand(ours, by_hand))
        disk[_BY_HAND].append(_mebibytes(by_hand.glob("*/work")))
        launcher = project.add_launcher(ours)
        timed([str(launcher), "toolchain"], ours)
        build = functools.partial(timed, [str(launcher)], ours)
        idle.append(breakdown.measure(f"the guide's project {_FROM_NOTHING}", launcher, ours))
        times[_FROM_NOTHING].append(idle[-1].seconds)
        tell(idle[-1])
        disk[_FROM_NOTHING].append(_mebibytes([ours / "build"]))
        for name, change in changes(ours).items():
            change()
            times[name].append(build())
    for name, bound in {_FROM_NOTHING: FROM_NOTHING, **CHANGES}.items():
        yield _result(name, times, bound=bound)
    yield _result(_FROM_NOTHING, disk, unit=Unit.MEBIBYTES_ON_DISK)
    yield Result(
        benchmark="guide",
        figure=f"{_FROM_NOTHING}, idle cores",
        ours=Runs(tuple(each.idle for each in idle)),
        against="all cores",
        theirs=Runs(tuple(each.core_seconds for each in idle)),
        bound=_IDLE,
        unit=Unit.PROCESSOR_SECONDS,
    )


def _result(
    name: str, runs: Mapping[str, Sequence[float]], bound: float | None = None, unit: Unit = Unit.SECONDS
) -> Result:
    return Result(
        benchmark="guide",
        figure=name,
        ours=Runs(tuple(runs[name])),
        against=_BY_HAND,
        theirs=Runs(tuple(runs[_BY_HAND])),
        bound=bound,
        unit=unit,
    )


def _mebibytes(folders: Iterable[Path]) -> float:
    """Return the size of the files in some folders, in MiB."""
    files = (path for folder in folders for path in folder.rglob("*"))
    return sum(path.lstat().st_size for path in files if path.is_file()) / 2**20


def _copy(root: Path, to: Path) -> None:
    to.mkdir()
    for name in ("models", "datasets"):
        shutil.copytree(root / name, to / name, ignore=_NOT_COPIED)
    for file in root.glob("*"):
        if file.is_file():
            shutil.copy(file, to)
    for declaration in to.glob("models/*/model.toml"):
        text = declaration.read_text(encoding="utf-8")
        declaration.write_text(_ACCURACY.sub("", text), encoding="utf-8")


def _run_by_hand(root: Path, folder: Path) -> float:
    """Return the seconds that the commands of all models take, one after another."""
    image_id = making.ensure(
        DockerEngine(connection.ensure(os.environ), os.environ),
        Recipe.from_environment(os.environ),
        folder,
        os.environ,
    ).id
    with project.working_in(root):
        declarations = read_declarations(Path())
        held = unbuildable.of_declarations(declarations, Path())
        models = [model for name, model in declarations.models.items() if name not in held]
        return sum(_commands_of(model, image_id, folder / model.name) for model in models)


def _commands_of(model: DeclaredModel, image_id: str, folder: Path) -> float:
    work = folder / "work"
    work.mkdir(parents=True)
    stages = (mlir.stages, calibration.stages, qtable.stages, cvimodel.stages)
    actions = [stage.action for stage_of in stages for stage in stage_of(model)]
    shared: dict[str, Path] = {}
    for action in actions:
        for file in action.inputs:
            if BUILD not in file.path.parents:
                shutil.copy(file.path, work / file.name)
        for text in action.texts:
            (work / text.name).write_text(text.text, encoding="utf-8")
        for given in action.folders:
            place = shared.setdefault(given.target, folder / given.target.strip("/"))
            for name, path in given.files.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place / name)
    # As it is: what makes it readable, and ends it at its declared outputs, is ours.
    shutil.copy(model.source, work / f"{inputs.SOURCE}{model.source.suffix}")
    tools = [tool_command(action) for action in actions]
    if model.is_onnx and model.model.output.names:
        tools[0] += ["--output_names", ",".join(model.model.output.names)]
    script = "\n".join(["set -e", *map(shlex.join, tools)])
    variables = {name: value for name, value in commands.environment().items() if name not in _HELD_STILL}
    return timed(
        [
            *("docker", "run", "--rm", "--user", f"{os.geteuid()}:{os.getegid()}", "--network", "none"),
            *("--volume", f"{work}:{WORKSPACE}", "--workdir", WORKSPACE),
            *(part for inside, path in shared.items() for part in ("--volume", f"{path}:{inside}:ro")),
            *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
            *("--entrypoint", "", image_id, "sh", "-c", script),
        ],
        folder,
    )


def tool_command(action: Action) -> list[str]:
    """Return the command of an action's tool, without the programs that are wrapped around it."""
    for place, part in enumerate(action.argv):
        if tool := _TOOLS.get(Path(part).name):
            return ["python3", f"{commands.ROOT}/python/tools/{tool}", *action.argv[place + 1 :]]
    raise ValueError(f"{action.name}: no tool in {shlex.join(action.argv)}")


def changes(root: Path) -> dict[str, Callable[[], object]]:
    """Return the functions that change a project, by their names in CHANGES.

    All of them change its first calibrated model.
    """
    with project.working_in(root):
        model, samples = next(
            (model, model.calibration_samples)
            for model in read_declarations(Path()).models.values()
            if model.calibration_samples and not model.missing
        )
    declaration = root / "models" / model.name / "model.toml"
    image_file = root / min(samples.files.values())
    done: list[Callable[[], object]] = [
        functools.partial(_change_option, declaration, f"[variant.{model.variants[-1].name}]"),
        functools.partial(shutil.copy, image_file, image_file.with_name(f"0-{image_file.name}")),
        functools.partial(_export_again, root / model.source),
    ]
    return dict(zip(CHANGES, done, strict=True))


def _change_option(declaration: Path, section: str) -> None:
    text = declaration.read_text(encoding="utf-8")
    if section not in text:
        raise ValueError(f"{declaration}: no {section}")
    declaration.write_text(text.replace(section, f"{section}\nop_divide = true"), encoding="utf-8")


def _export_again(source: Path) -> None:
    """Write the same network as a later version of its exporter would write it."""
    network = onnx.load(source)
    network.producer_version += " again"
    onnx.save(network, source)
