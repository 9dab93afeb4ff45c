"""The stages that measure what a network sees: in float, and each cvimodel on the simulator."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvimake.camera import camera_picture, layouts
from cvimake.camera.kinds import KINDS
from cvimake.core.action import Action, FileKind, Input, Shared, Text
from cvimake.pipeline import estimates, files, inputs, measurement
from cvimake.pipeline.checks import AccuracyNotes, Check, OverlapCheck, SamplesCheck
from cvimake.pipeline.checks.sample_fit import Purpose
from cvimake.pipeline.outcomes import MeasuredAccuracy
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import Target, targets
from cvimake.project.accuracy import DeclaredAccuracy
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

# The folder in the container with the parts that an evaluation had finished when it was killed.
_PARTS = "/parts"
_PROGRAM = inputs.program("process_group")
# The camera's rules for recognising a kind of model; they import nothing.
_LAYOUTS = Input(name="layouts.py", path=Path(layouts.__file__))
_OPTIONS, _LABELS = "options.json", "labels.json"
# Ends the names of stages, and of their files, that run on images which the user has named.
ASKED = "_asked"
# The project's own decoder; the evaluation imports it under this name.
_DECODER = "own_decoder.py"
# Images are evaluated in groups, each in a process of its own. A process costs as much as one image of a
# small network, so a group has many images. A group that is killed is lost, so it takes seconds at most. A
# network needs less time than expected; a small one a fifth of it.
_SECONDS_TOGETHER, _MOST_TOGETHER = 7.0, 64
# The number of groups is a multiple of it, so that as many processes end at the same time.
_AT_ONE_TIME = 4
# A further machine loads the network anew. This is not worth it if all images take fewer seconds than this.
_WORTH_SHARING = 10.0
# The format of a picture that model_deploy.py takes if none is declared, by the pixel format.
_USUAL_FORMAT = {"gray": "GRAYSCALE", "bgr": "BGR_PLANAR", "rgb": "RGB_PLANAR"}


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the stage of the float network and one for each cvimodel, if images are declared."""
    if model.accuracy:
        yield from (_stage(model, model.accuracy, target) for target in (None, *targets(model)))


def asked(model: DeclaredModel, given: DeclaredAccuracy) -> Iterator[Stage]:
    """Yield the stages that run the same networks on images that the user has named, without a budget."""
    for target in (None, *targets(model)):
        stage = _stage(model, given, target, ASKED)
        yield dataclasses.replace(stage, outcome=None, on_request=True)


def _stage(model: DeclaredModel, declared: DeclaredAccuracy, target: Target | None, asked: str = "") -> Stage:
    """Return the stage of a cvimodel or of the float network.

    Args:
        model: their model.
        declared: the images.
        target: the cvimodel; None for the float network.
        asked: what is added to the names of files, and is the end of the stage's name; empty for the usual.
    """
    float_stem = f"{files.float_stem(model.name)}{asked}"
    stem = f"{target.stem}{asked}" if target else float_stem
    name = f"{target.stage if target else f'{model.name}:float'}{asked or '_accuracy'}"
    result, field, camera = files.accuracy(stem), files.detections(stem), files.camera_detections(stem)
    of_float = [files.detections(float_stem), files.accuracy(float_stem)] if target else []
    texts = [Text(name=_OPTIONS, text=json.dumps(_options(model, declared, target, of_float), indent=1))]
    if declared.labels:
        texts.append(Text(name=_LABELS, text=declared.labels))
    network = estimates.size(model)
    return Stage(
        action=Action(
            name=name,
            argv=commands.accuracy_command(measurement.IMAGES, _PARTS, _OPTIONS, result, field, camera),
            environment=commands.simulator_environment(),
            inputs=(
                *inputs.network(model),
                *([inputs.built(model, target.cvimodel)] if target else []),
                *(inputs.built(model, file) for file in of_float[:1]),
                *(
                    [Input(name=_DECODER, path=model.folder / declared.decoder[0])]
                    if declared.decoder
                    else []
                ),
                _PROGRAM,
                _LAYOUTS,
            ),
            outputs=tuple(inputs.output(model, file, FileKind.JSON) for file in (result, field, camera)),
            texts=tuple(texts),
            folders=(
                commands.ACCURACY_PACKAGES,
                measurement.folder(declared),
            ),
            limits=dataclasses.replace(estimates.limits(model), processes=estimates.MANY_PROCESSES),
            parts=_PARTS,
            shared=_shared(declared),
        ),
        load=estimates.accuracy(
            network, len(declared.images), declared.seconds if target else network.inference
        ),
        row=target.row if target else None,
        checks=tuple(_checks(model, declared, None if target else AccuracyNotes(notes=declared.notes))),
        outcome=MeasuredAccuracy(
            stage=name,
            result=files.place(model.name, result),
            of_float=files.place(model.name, of_float[1]) if target else None,
            budget=model.model.budget,
            wants_figure=bool(declared.labels) and declared.options.metric != "agreement",
        ),
    )


def _shared(declared: DeclaredAccuracy) -> Shared | None:
    """Return how the groups of images can be shared out to several machines; None if it is not worth it."""
    names, size = list(measurement.names(declared)), together(len(declared.images), declared.seconds)
    if len(names) * declared.seconds < _WORTH_SHARING:
        return None
    groups = [tuple(names[start : start + size]) for start in range(0, len(names), size)]
    return Shared(folder=measurement.IMAGES, files=tuple(groups))


def _checks(model: DeclaredModel, declared: DeclaredAccuracy, notes: AccuracyNotes | None) -> Iterator[Check]:
    if notes:
        yield notes
    samples = Samples(files=dict(declared.images))
    yield SamplesCheck(model=model, purpose=Purpose.MEASURE, samples=samples)
    if declared.calibration:
        path = str(model.folder / "model.toml")
        yield OverlapCheck(declared=path, calibration=declared.calibration, measured=samples)


def _options(
    model: DeclaredModel, declared: DeclaredAccuracy, target: Target | None, of_float: Sequence[str]
) -> dict[str, object]:
    """Return everything that the program has to know, as a JSON value."""
    how, options = model.inputs, declared.options
    channels = 1 if how.pixel_format == "gray" else 3
    variant = target.variant.options if target else None
    fused = variant.fuse_preprocess if variant else False
    return {
        "network": files.mlir(model.name),
        "cvimodel": target.cvimodel if target else None,
        "customization_format": (variant.customization_format or _USUAL_FORMAT[how.pixel_format or "bgr"])
        if variant and fused
        else None,
        "pixel_format": how.pixel_format or "bgr",
        "mean": how.mean or [0.0] * channels,
        "scale": how.scale or [1.0] * channels,
        "channels_last": how.channel_format == "nhwc",
        "pad_value": camera_picture.PAD_VALUE,
        # Networks that nobody has to change can have fractions too.
        "relative_boxes": model.model.output.relative_boxes or None,
        "kinds": {kind.name: kind.fits.__name__ for kind in KINDS if not kind.told},
        "thresholds": measurement.thresholds(options),
        "together": together(len(declared.images), declared.seconds),
        "images": measurement.listed(declared),
        "classes": list(declared.classes),
        "labels": _LABELS if declared.labels else None,
        "float": of_float[0] if of_float else None,
        "decoder": declared.decoder[1] if declared.decoder else None,
        "task": options.task,
        "metric": options.metric,
    }


def together(images: int, seconds: float) -> int:
    """Return how many images a group has: equal groups for any number of processes up to four.

    Args:
        images: the number of all images.
        seconds: expected for one image.
    """
    most = max(1, min(_MOST_TOGETHER, int(_SECONDS_TOGETHER / seconds)))
    groups = math.ceil(max(1, images) / (most * _AT_ONE_TIME)) * _AT_ONE_TIME
    return max(1, math.ceil(images / groups))
