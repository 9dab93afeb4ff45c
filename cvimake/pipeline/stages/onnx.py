"""The stage that converts an ONNX source to the opset and IR that the toolchain reads."""

from __future__ import annotations

from collections.abc import Iterator

from cvimake.core.action import Action, FileKind, Folder, Input
from cvimake.pipeline import estimates, files
from cvimake.pipeline.checks import NetworkCheck
from cvimake.pipeline.inputs import SOURCE, output
from cvimake.pipeline.stage import Stage
from cvimake.pipeline.stages import export
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands, tools

# The folder in the container with the weights that an ONNX source keeps in files of their own.
EXTERNAL = "/external"


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the conversion, which also proves that both networks compute the same; before it the export.

    Projects list their kinds of stages, and those of a checkpoint must be among these everywhere.
    """
    if not model.is_onnx:
        return
    yield from export.stages(model)
    result, summary = files.converted(model.name), f"{model.name}_onnx.json"
    output_table = model.model.output
    arguments = tools.arguments(
        tools.ONNX_DOWNGRADE,
        [model.onnx, model.inputs, output_table],
        {
            "outputs": output_table.names or None,
            "fixed": True,
            "external": EXTERNAL if model.external_data else None,
        },
    )
    external = [
        Folder(target=EXTERNAL, files={name: model.source.parent / name for name in model.external_data})
    ]
    yield Stage(
        action=Action(
            name=f"{model.name}:onnx",
            argv=commands.onnx_command(f"{SOURCE}.onnx", result, summary, arguments),
            environment=commands.onnx_environment(),
            inputs=(Input(name=f"{SOURCE}.onnx", path=model.network),),
            outputs=(
                output(model, result, FileKind.ONNX),
                output(model, summary, FileKind.JSON),
            ),
            folders=(commands.ONNX_PROGRAM, *(external if model.external_data else ())),
            limits=estimates.limits(model),
        ),
        load=estimates.conversion(estimates.size(model)),
        checks=(NetworkCheck(model=model),),
    )
