"""The stage that exports a checkpoint of Ultralytics to ONNX."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvimake.core.action import Action, FileKind, Input, Limits, Output
from cvimake.core.paths import EXPORT
from cvimake.pipeline import estimates
from cvimake.pipeline.checks import CheckpointCheck
from cvimake.pipeline.inputs import SOURCE, program
from cvimake.pipeline.stage import Stage
from cvimake.project.declarations import DeclaredModel
from cvimake.toolchain import commands

# A large network on a slow machine takes a minute; a hostile checkpoint may take no longer than this.
SECONDS = 900.0
_PROGRAM = program("export_checkpoint")


def stages(model: DeclaredModel) -> Iterator[Stage]:
    """Yield the export, for the declared shape. The checkpoint is opened in the sandbox alone."""
    if not model.is_checkpoint:
        return
    shape = (model.inputs.shapes or [[]])[0]
    declared = estimates.limits(model)
    limits = dataclasses.replace(declared, seconds=min(declared.seconds, SECONDS))
    yield Stage(
        action=action(f"{model.name}:export", model.source, model.network, shape, limits),
        load=estimates.export(estimates.size(model)),
        toolchain=EXPORT,
        checks=(CheckpointCheck(model=model),),
    )


def action(name: str, checkpoint: Path, result: Path, shape: Sequence[int], limits: Limits) -> Action:
    """Return the action that exports a checkpoint.

    Args:
        name: the action's name for people.
        checkpoint: the checkpoint.
        result: where the network is published.
        shape: batch, channels, height, width; empty for one image of the size that it was trained with.
        limits: the most that it may use.
    """
    source = Input(name=f"{SOURCE}.pt", path=checkpoint)
    written = Output(name=f"{SOURCE}_exported.onnx", path=result, kind=FileKind.ONNX)
    return Action(
        name=name,
        argv=commands.export_command(source.name, written.name, shape),
        environment=commands.export_environment(),
        inputs=(source, _PROGRAM),
        outputs=(written,),
        limits=limits,
    )
