"""The stage that draws what the float network and each cvimodel see."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cvimake.core.action import Action, FileKind, Text
from cvimake.pipeline import estimates, files, inputs, measurement
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project.accuracy import DeclaredAccuracy
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

# The images that are drawn if nobody says how many.
USUAL_COUNT = 12
_OPTIONS, _LABELS = "options.json", "labels.json"


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the stage that draws the images on which the cvimodels differ most, if images are declared."""
    if model.accuracy:
        yield _stage(model, model.accuracy)


def _stage(model: DeclaredModel, declared: DeclaredAccuracy) -> Stage:
    made = list(targets(model))
    stems = {"float": f"{model.name}_float", **{target.label: target.stem for target in made}}
    networks = [
        {
            "name": name,
            "accuracy": files.accuracy(stem),
            "field": files.detections(stem),
            "camera": files.camera_detections(stem),
        }
        for name, stem in stems.items()
    ]
    options = {
        "model": model.name,
        "view": "",
        "count": USUAL_COUNT,
        "classes": list(declared.classes),
        "thresholds": measurement.thresholds(declared.options),
        "images": measurement.listed(declared),
        "labels": _LABELS if declared.labels else None,
        "networks": networks,
    }
    texts = [Text(name=_OPTIONS, text=json.dumps(options, indent=1))]
    if declared.labels:
        texts.append(Text(name=_LABELS, text=declared.labels))
    written = files.preview(model.name)
    kinds = FileKind.PNG, FileKind.JSON, FileKind.NPZ
    read = (file for network in networks for kind, file in network.items() if kind != "name")
    return Stage(
        action=Action(
            name=f"{model.name}:preview",
            argv=commands.preview_command(measurement.IMAGES, _OPTIONS, *written),
            environment=commands.environment(),
            inputs=tuple(inputs.built(model, file) for file in read),
            outputs=tuple(
                inputs.output(model, file, kind) for file, kind in zip(written, kinds, strict=True)
            ),
            texts=tuple(texts),
            folders=(commands.PREVIEW_PACKAGE, measurement.folder(declared)),
            limits=estimates.limits(model),
        ),
        load=estimates.preview(USUAL_COUNT, len(networks) + bool(declared.labels)),
        on_request=True,
    )
