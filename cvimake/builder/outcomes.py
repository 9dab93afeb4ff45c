"""Conclude the outcomes of stages on the host: read their outputs, write what follows, tell the user."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cvimake.core import announce
from cvimake.core.errors import CvimakeError, OverBudgetError, StageFailedError
from cvimake.pipeline.outcomes import (
    ComputedTypes,
    CvimodelInfo,
    MeasuredAccuracy,
    NetworkOutputs,
    SearchEnding,
)
from cvimake.pipeline.stage import Stage

if TYPE_CHECKING:
    from cvimake.pipeline.accuracy import Measured
    from cvimake.pipeline.named_outputs import NamedOutput

Content = TypeVar("Content")


def conclude(stage: Stage, warn_once: Callable[[str], None] = announce.note) -> None:
    """Conclude a stage's outcome from its outputs, which are in place.

    Args:
        stage: the stage.
        warn_once: tells the user a warning that several stages of a model find.

    Raises:
        StageFailedError: the outputs are not as they are declared to be.
        OverBudgetError: they exceed a budget.
        CvimakeError: a file that is read is damaged.
    """
    match stage.outcome:
        case None:
            pass
        case NetworkOutputs() as outcome:
            _network_outputs(stage.action.name, outcome)
        case SearchEnding() as outcome:
            _search_ending(outcome)
        case ComputedTypes() as outcome:
            _computed_types(stage.action.name, outcome)
        case CvimodelInfo() as outcome:
            _cvimodel_info(outcome, warn_once)
        case MeasuredAccuracy() as outcome:
            _measured_accuracy(outcome)


def _network_outputs(stage: str, outcome: NetworkOutputs) -> None:
    from cvimake.pipeline import named_outputs  # noqa: PLC0415 - slow to import, and only needed once a stage has run
    from cvimake.project.networks import onnx_names  # noqa: PLC0415 - the same
    from cvimake.toolchain import mlir_names  # noqa: PLC0415 - the same

    names = outcome.names
    if not names and outcome.network:
        names = onnx_names.read(outcome.network).outputs
    outputs = named_outputs.of_mlir(
        stage,
        mlir_names.outputs(outcome.mlir, outcome.mlir.read_text(encoding="utf-8")),
        names,
        exact=not outcome.order_is_kept,
        relative_boxes=outcome.relative_boxes,
    )
    _write(outcome.result, named_outputs.as_json(outputs))


def _search_ending(outcome: SearchEnding) -> None:
    found = json.loads(outcome.summary.read_text(encoding="utf-8"))["search"]
    if found["ending"] == "int8_suffices":
        announce.note(
            f"{outcome.variant}: INT8 alone reaches a cosine of {found['int8_cos']:.6f} "
            f"({found['expected_cos']:g} expected): no layer stays float, and the cvimodel equals INT8's"
        )
    elif found["ending"] == "gave_up":
        announce.note(
            f"warning: {outcome.variant}: the qtable search gave up at a cosine of {found['mix_cos']:.6f}, "
            f"{found['expected_cos']:g} was expected (INT8 alone: {found['int8_cos']:.6f}): "
            f"{found['cause']}. {found['remedy']}"
        )


def _computed_types(stage: str, outcome: ComputedTypes) -> None:
    if outcome.quantize == "F16":
        announce.note(f"{stage}: F16 computes in BF16, the only float type of this processor")
    if outcome.qtable is None:
        return
    rows = [line.split() for line in outcome.qtable.read_text(encoding="utf-8").splitlines()]
    modes = {row[1].upper() for row in rows if len(row) > 1 and not row[0].startswith("#")}
    if not modes - {"INT8"}:
        announce.note(f"{stage}: its qtable keeps no layer float, so the cvimodel equals INT8's")


def _cvimodel_info(outcome: CvimodelInfo, warn_once: Callable[[str], None]) -> None:
    from cvimake.pipeline.cvimodel_info import examine, over_budget  # noqa: PLC0415 - slow to import, as above
    from cvimake.toolchain.cvimodel import ListingError  # noqa: PLC0415 - the same

    try:
        known = examine(
            outcome.cvimodel.name,
            outcome.cvimodel.stat().st_size,
            outcome.listing.read_text(encoding="utf-8"),
            json.loads(outcome.time.read_text(encoding="utf-8")),
            json.loads(outcome.validation.read_text(encoding="utf-8")),
            outputs=read_outputs(outcome.outputs),
            declared=outcome.declared,
        )
    except ListingError as error:
        raise StageFailedError(
            f"{outcome.variant}: {error}",
            f"The cvimodel itself is made: {outcome.cvimodel}. The whole listing: {outcome.listing}",
        ) from error
    _write(outcome.result, known.model_dump_json(indent=1, by_alias=True).encode() + b"\n")
    for warning in known.recognition.warnings:
        if warning in outcome.declared.of_input:
            warn_once(f"warning: {outcome.variant.partition(':')[0]}: {warning}")
        else:
            announce.note(f"warning: {outcome.variant}: {warning}")
    if excesses := list(over_budget(known, outcome.budget)):
        raise OverBudgetError(f"{outcome.variant}: over its budget", "\n".join(excesses))


def _measured_accuracy(outcome: MeasuredAccuracy) -> None:
    from cvimake.pipeline.accuracy import over_budget  # noqa: PLC0415 - slow to import, as above

    measured = read_accuracy(outcome.result)
    of_float = read_accuracy(outcome.of_float) if outcome.of_float else None
    # If the float network has no figure either, its own stage has told the reason.
    if outcome.wants_figure and not measured.figure and not (of_float and not of_float.figure):
        announce.note(f"warning: {outcome.stage}: the labels are of no use: {measured.figure_reason}")
    if excesses := list(over_budget(measured, of_float, outcome.budget)):
        raise OverBudgetError(f"{outcome.stage}: less than its budget", "\n".join(excesses))


def read_accuracy(path: Path) -> Measured:
    """Read what was measured of a network.

    Raises:
        CvimakeError: the file was damaged.
    """
    from cvimake.pipeline.accuracy import Measured  # noqa: PLC0415 - slow to import, as above

    return _parsed(path, Measured.model_validate_json)


def read_outputs(path: Path) -> tuple[NamedOutput, ...]:
    """Read a list of outputs under their declared names.

    Raises:
        CvimakeError: the file was damaged.
    """
    from cvimake.pipeline import named_outputs  # noqa: PLC0415 - slow to import, as above

    return _parsed(path, named_outputs.from_json)


def _parsed(path: Path, parse: Callable[[bytes], Content]) -> Content:
    """Read a file that an earlier stage wrote.

    Raises:
        CvimakeError: the file was damaged.
    """
    try:
        return parse(path.read_bytes())
    except ValueError as error:
        raise CvimakeError(f"{path} is damaged", "Remove it: the next build writes it anew.") from error


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".json.new")
    temporary.write_bytes(content)
    temporary.replace(path)
