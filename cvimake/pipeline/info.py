"""The stage that lists the contents of a cvimodel, for each variant and processor."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs, outcomes
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project import feed
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

ESTIMATE_TIME = inputs.program("estimate_time")


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the listing of each cvimodel. Recognition by the camera and the budget are concluded from it."""
    outputs = files.place(model.name, files.outputs(model.name))
    for target in targets(model):
        listing, time = f"{target.stem}_info.txt", f"{target.stem}_time.json"
        validation, result = files.place(model.name, target.validation), target.row.info
        declared = feed.declared(model.inputs, target.variant.options)
        yield Stage(
            action=Action(
                name=f"{target.stage}_info",
                argv=commands.info_command(target.cvimodel, listing, time),
                environment=commands.environment(),
                inputs=(inputs.built(model, target.cvimodel), ESTIMATE_TIME),
                outputs=(
                    inputs.output(model, listing, FileKind.TEXT),
                    inputs.output(model, time, FileKind.JSON),
                ),
                limits=estimates.limits(model),
            ),
            load=estimates.LISTING,
            row=target.row,
            after=functools.partial(
                outcomes.info,
                target.stage,
                files.place(model.name, target.cvimodel),
                files.place(model.name, listing),
                files.place(model.name, time),
                validation,
                outputs,
                declared,
                model.model.budget,
                result,
            ),
            concluded=(result,),
            concluded_with={
                **model.model.budget.model_dump(),
                "camera": json.loads(json.dumps(dataclasses.asdict(declared))),
                "revision": outcomes.REVISION,
            },
            also_read=(validation, outputs),
        )
