"""The stage that lists the contents of a cvimodel, for each variant and processor."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.core.action import Action, FileKind
from cvimake.pipeline import estimates, files, inputs
from cvimake.pipeline.outcomes import CvimodelInfo
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.target import targets
from cvimake.project import camera_picture
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

ESTIMATE_TIME = inputs.program("estimate_time")


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the listing of each cvimodel. Recognition by the camera and the budget are concluded from it."""
    for target in targets(model):
        listing, time = f"{target.stem}_info.txt", f"{target.stem}_time.json"
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
            outcome=CvimodelInfo(
                variant=target.stage,
                cvimodel=files.place(model.name, target.cvimodel),
                listing=files.place(model.name, listing),
                time=files.place(model.name, time),
                validation=files.place(model.name, target.validation),
                outputs=files.place(model.name, files.outputs(model.name)),
                declared=camera_picture.declared(model.inputs, target.variant.options),
                budget=model.model.budget,
                result=target.row.info,
            ),
        )
