"""Measures accuracy stages: against the simulator's own time, in two processes, and on two workers."""

from __future__ import annotations

import functools
import json
import math
import operator
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import project
from bench.measure import Result, Runs, Scale, Unit, in_turns
from bench.metered import Taken, build_inputs, metered, of_program, stages
from cvimake.cluster.shards import Shard, all_at_once, shared_out
from cvimake.core.action import Action, FileKind, Input, Output
from cvimake.core.errors import CvimakeError
from cvimake.execution import parts
from cvimake.execution.runtime import Runtimes
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stages import accuracy

REPEATS = 3
VARIANT = "int8"
# The largest allowed time: of one more image, as a fraction of the simulator's own; in two processes, of one.
WHOLE, HALVED = 1.1, 1 / 1.8
# The cost of one more image is the difference between all images and this part of them, by their number.
_FEW = 1 / 4
_PICTURES = "pictures.npz"
# Stands for the key that parts have in the store.
_KEY = "0" * 64
# Makes the pictures that the stage gives to the simulator.
_PREPARE = f"""
import json
from pathlib import Path
import numpy, pyruntime_cvi
from evaluation.__main__ import picture_of
from evaluation.networks import FloatNetwork, Preparation, in_format
options = json.load(open("options.json"))
how = (options[name] for name in ("pixel_format", "mean", "scale", "channels_last"))
size = FloatNetwork(options["network"], Preparation(*how)).size
form = options["customization_format"]
(given,) = pyruntime_cvi.Model(options["cvimodel"], output_all_tensors=False).inputs
made = (picture_of(Path("/images", image["file"]), size, options["pad_value"]) for image in options["images"])
numpy.savez("{_PICTURES}", [in_format(picture, form, given.data.size) for picture, _ in made])
"""
# Computes them. The cvimodel is loaded once.
_PROGRAM = f"""
import json, numpy, pyruntime_cvi
options = json.load(open("options.json"))
pictures = numpy.load("{_PICTURES}")["arr_0"]
model = pyruntime_cvi.Model(options["cvimodel"], output_all_tensors=False)
(given,) = model.inputs
for image in options["images"]:
    given.data.reshape(-1)[:] = pictures[image["id"]].reshape(-1)
    model.forward()
json.dump({{}}, open("out.json", "w"))
"""


def run(scratch: Path, repeats: int = REPEATS, root: Path = project.CHECKOUT) -> Iterator[Result]:
    """Measure the accuracy stage of each variant `int8` of a project, after building its inputs.

    Args:
        scratch: the folder for the results.
        repeats: how often each is run.
        root: the project's folder.

    Raises:
        CvimakeError: there is no such stage, or its inputs cannot be built.
    """
    root = root.resolve()
    actions = [
        stage.action
        for stage in stages(root, accuracy.stages)
        if stage.action.name.endswith(f":{VARIANT}_accuracy")
    ]
    if not actions:
        raise CvimakeError(f"{root} has no variant {VARIANT} whose accuracy is declared")
    for action in actions:
        yield from _measured(action, scratch, repeats, root)


def _measured(action: Action, scratch: Path, repeats: int, root: Path) -> Iterator[Result]:
    build_inputs(action, root)
    sandbox = Runtimes(root, os.environ).plain().sandbox
    with project.working_in(root):
        runs = {
            name: functools.partial(metered, of, sandbox, processes)
            for name, (of, processes) in _actions(action, scratch, sandbox).items()
        }
        taken = in_turns(runs, repeats)
        on_workers = in_turns(
            {count: functools.partial(_on_workers, action, scratch, sandbox, count) for count in (1, 2)},
            repeats,
        )
    left = len(_images(action)) - _few(action)
    against_alone = functools.partial(Result, benchmark="accuracy", against="the simulator alone")
    yield against_alone(
        figure=action.name,
        scale=Scale(1, "more image"),
        ours=_slope(taken, "one", left),
        theirs=_slope(taken, "alone", left),
        unit=Unit.PROCESSOR_MILLISECONDS,
        bound=WHOLE,
    )
    yield against_alone(
        figure=f"{action.name}, the whole",
        scale=Scale(1, "process"),
        ours=_processor(taken, "one"),
        theirs=_processor(taken, "alone"),
        unit=Unit.PROCESSOR_SECONDS,
    )
    one, two = (Runs(tuple(each.seconds for each in taken[name])) for name in ("one", "two"))
    yield Result(
        benchmark="accuracy",
        figure=action.name,
        scale=Scale(2, "process"),
        ours=two,
        against="one process",
        theirs=one,
        unit=Unit.SECONDS,
        bound=HALVED,
    )
    if len({made for runs in on_workers.values() for _, made in runs}) > 1:
        raise RuntimeError(f"{action.name}: two workers have not made the same files as one")
    for figure, unit, of in (
        ("in containers", Unit.SECONDS, operator.attrgetter("seconds")),
        ("the longest shard and the figures", Unit.PROCESSOR_SECONDS, operator.attrgetter("processor")),
    ):
        one, two = (Runs(tuple(of(taken) for taken, _ in on_workers[count])) for count in (1, 2))
        yield Result(
            benchmark="accuracy",
            figure=f"{action.name}, {figure}",
            scale=Scale(2, "worker"),
            ours=two,
            against="one worker",
            theirs=one,
            unit=unit,
        )


def _on_workers(
    action: Action, scratch: Path, sandbox: Sandbox, workers: int
) -> tuple[Taken, tuple[bytes, ...]]:
    """Run an action as so many workers of a cluster do, each with one core.

    Scheduler and store have no part in it, and all workers are this machine.

    Returns:
        Its seconds, with the start of containers, and the processor seconds that it takes at least: those of
        the shard with the most, and of the run that puts them together; and its files.
    """
    action = _renamed(action, scratch)

    def run(place: int, shard: Shard, _goes_on: object) -> tuple[Taken, dict[int, Path]]:
        folder = scratch / f"shard_{place}"
        outputs = tuple(replace(file, path=folder / file.name) for file in shard.action.outputs)
        part = replace(shard.action, name=f"bench:shard_{place}", outputs=outputs)
        taken = metered(part, sandbox, 1)
        return taken, {number: file.path for number, file in zip(shard.parts, outputs, strict=True)}

    parts.remove(sandbox.root, action.name)
    started = time.monotonic()
    found = all_at_once(shards, run) if (shards := shared_out(action, workers)) else []
    if found:
        files = {number: path for _, each in found for number, path in each.items()}
        parts.lay(sandbox.root, action.name, _KEY, files)
    whole = metered(action, sandbox, 1, _KEY if found else "")
    seconds = time.monotonic() - started
    parts.remove(sandbox.root, action.name)
    processor = max((taken.processor for taken, _ in found), default=0.0) + whole.processor
    return replace(whole, seconds=seconds, processor=processor), tuple(
        file.path.read_bytes() for file in action.outputs
    )


def _renamed(action: Action, scratch: Path) -> Action:
    """Return an action that leaves the log and the files of a project alone."""
    outputs = tuple(replace(file, path=scratch / file.name) for file in action.outputs)
    return replace(action, name="bench:accuracy", outputs=outputs)


def _actions(action: Action, scratch: Path, sandbox: Sandbox) -> dict[str, tuple[Action, int]]:
    """Return what is measured, each with its number of processes; make the pictures for the simulator."""
    made = Output(name=_PICTURES, path=scratch / _PICTURES, kind=FileKind.NPZ)
    sandbox.run(of_program(action, "prepare.py", _PREPARE, made))
    nothing = Output(name="out.json", path=scratch / "out.json", kind=FileKind.JSON)
    alone = of_program(action, "simulate.py", _PROGRAM, nothing)
    pictures = Input(name=_PICTURES, path=scratch / _PICTURES)
    alone = replace(alone, inputs=(*alone.inputs, pictures))
    ours = _renamed(action, scratch)
    few = {"alone": (_first(alone, scratch), 1), "one": (_first(ours, scratch), 1)}
    return {
        "alone": (alone, 1),
        "one": (ours, 1),
        "two": (ours, 2),
        **{f"few {name}": of_few for name, of_few in few.items()},
    }


def _first(action: Action, scratch: Path) -> Action:
    """Return an action with the first images alone."""
    kept = {image["id"] for image in _images(action)[: _few(action)]}

    def cut(name: str, text: str) -> str:
        value = json.loads(text)
        if name.endswith("_detections.json"):
            return json.dumps([one for one in value if one["image_id"] in kept])
        value["images"] = [image for image in value["images"] if image["id"] in kept]
        if "annotations" in value:
            value["annotations"] = [one for one in value["annotations"] if one["image_id"] in kept]
        return json.dumps(value)

    inputs = []
    for file in action.inputs:
        path = file.path
        if file.name.endswith("_detections.json"):
            path = scratch / f"few_{file.name}"
            path.write_text(cut(file.name, file.path.read_text(encoding="utf-8")), encoding="utf-8")
        inputs.append(replace(file, path=path))
    texts = [
        replace(text, text=cut(text.name, text.text)) if text.name.endswith(".json") else text
        for text in action.texts
    ]
    return replace(action, inputs=tuple(inputs), texts=tuple(texts))


def _images(action: Action) -> list[dict[str, Any]]:
    (options,) = (json.loads(text.text) for text in action.texts if text.name == "options.json")
    images: list[dict[str, Any]] = options["images"]
    return images


def _few(action: Action) -> int:
    return math.ceil(len(_images(action)) * _FEW)


def _processor(taken: dict[str, tuple[Taken, ...]], name: str) -> Runs:
    return Runs(tuple(each.processor for each in taken[name]))


def _slope(taken: dict[str, tuple[Taken, ...]], name: str, images: int) -> Runs:
    """Return the processor time of one more image, in milliseconds."""
    pairs = zip(taken[name], taken[f"few {name}"], strict=True)
    return Runs(tuple(1000 * (every.processor - few.processor) / images for every, few in pairs))
