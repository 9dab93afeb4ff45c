"""The stage that draws what the float network and each cvimodel see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from cvimake.core.action import Action, FileKind, Text
from cvimake.pipeline import estimates, files, inputs, measurement
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.stages import accuracy
from cvimake.pipeline.target import targets
from cvimake.project.accuracy import DeclaredAccuracy
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

# The images that are drawn if nobody says how many.
USUAL_COUNT = 12
_OPTIONS, _LABELS = "options.json", "labels.json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A preview that somebody asks for.

    Attributes:
        images: those to show; None for those of [accuracy].
        view: `camera` or `field`; empty for the camera's if it has one.
        count: how many images are shown, those that differ most first; None for all, in their order.
    """

    images: DeclaredAccuracy | None = None
    view: str = ""
    count: int | None = USUAL_COUNT


_USUAL = Asked()


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the stage that draws the images on which the cvimodels differ most, if images are declared."""
    if model.accuracy:
        yield _stage(model, model.accuracy, _USUAL, "")


def asked(model: DeclaredModel, wanted: Asked) -> Iterator[Stage]:
    """Yield the stages that make another preview, the one that draws it last.

    Without images of its own, it is drawn from the detections of [accuracy], which must be declared then.
    """
    if wanted.images:
        yield from accuracy.asked(model, wanted.images)
    if declared := wanted.images or model.accuracy:
        yield _stage(model, declared, wanted, accuracy.ASKED)


def _stage(model: DeclaredModel, declared: DeclaredAccuracy, wanted: Asked, suffix: str) -> Stage:
    made = list(targets(model))
    of_images = accuracy.ASKED if wanted.images else ""
    stems = {"float": files.float_stem(model.name), **{target.label: target.stem for target in made}}
    networks = [
        {
            "name": name,
            "accuracy": files.accuracy(f"{stem}{of_images}"),
            "field": files.detections(f"{stem}{of_images}"),
            "camera": files.camera_detections(f"{stem}{of_images}"),
        }
        for name, stem in stems.items()
    ]
    options = {
        "model": model.name,
        "view": wanted.view,
        "count": wanted.count,
        "classes": list(declared.classes),
        "thresholds": measurement.thresholds(declared.options),
        "images": measurement.listed(declared),
        "labels": _LABELS if declared.labels else None,
        "networks": networks,
    }
    texts = [Text(name=_OPTIONS, text=json.dumps(options, indent=1))]
    if declared.labels:
        texts.append(Text(name=_LABELS, text=declared.labels))
    written = files.preview(f"{model.name}{suffix}")
    kinds = FileKind.PNG, FileKind.JSON, FileKind.NPZ
    read = (file for network in networks for kind, file in network.items() if kind != "name")
    count = len(declared.images)
    return Stage(
        action=Action(
            name=f"{model.name}:preview{suffix}",
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
        load=estimates.preview(min(count, wanted.count or count), len(networks) + bool(declared.labels)),
        on_request=True,
        # People want to look at exactly the variant that finds too little.
        takes_over_budget=True,
    )
