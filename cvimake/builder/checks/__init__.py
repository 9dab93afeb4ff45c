"""Run the checks of stages on the host, before their tools run: read the files, and judge them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvimake.core import announce
from cvimake.pipeline.checks import (
    AccuracyNotes,
    Check,
    CheckpointCheck,
    DoubtsCheck,
    NetworkCheck,
    OperatorsCheck,
    OverlapCheck,
    SamplesCheck,
    TablesCheck,
)
from cvimake.pipeline.stage import Stage

if TYPE_CHECKING:
    from cvimake.project.networks.readers import Readers


def run(stage: Stage, readers: Readers) -> None:
    """Run a stage's checks, in their order.

    Args:
        stage: the stage.
        readers: read ONNX files.

    Raises:
        CvimakeError: something is not as the tool needs it; the error names every mistake of the first check
            that finds one.
        OSError: a file cannot be read.
    """
    for check in stage.checks:
        _run(check, stage.action.name, readers)


def _run(check: Check, stage: str, readers: Readers) -> None:
    from cvimake.builder.checks import network, overlap  # noqa: PLC0415 - slow to import, and only a stage that runs needs it
    from cvimake.project.networks import check as operators  # noqa: PLC0415 - the same

    match check:
        case NetworkCheck():
            network.check(check.model)
        case CheckpointCheck():
            network.check_checkpoint(check.model)
        case DoubtsCheck():
            network.warn_of_doubts(check.model)
        case OperatorsCheck():
            operators.check(check.network, check.outputs, readers.read)
        case SamplesCheck():
            network.check_samples(stage, check.model, check.purpose, check.samples)
        case AccuracyNotes():
            for note in check.notes:
                announce.note(f"{stage}: {note}")
        case OverlapCheck():
            overlap.check(stage, check)
        case TablesCheck():
            network.check_tables(stage, check.model, check.variant, check.mlir)
