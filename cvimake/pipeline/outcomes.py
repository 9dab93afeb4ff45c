"""What is made of a stage's outputs on the host: recorded, shown, and held against what was declared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cvimake.camera import device_time, feed
from cvimake.camera.recognition import Recognition, recognise
from cvimake.core import announce
from cvimake.core.errors import StepFailedError
from cvimake.pipeline import named_outputs
from cvimake.project.model import Budget
from cvimake.toolchain import cvimodel

# Raised when something else is concluded from the same: what is there is then concluded anew.
REVISION = 4


class Comparison(BaseModel):
    """One comparison that the tool made: the least similarities of any layer.

    Attributes:
        target: the file that was compared: `…_tpu_outputs.npz` with the float network, `…_model_outputs.npz`
            (the cvimodel on the simulator) with its MLIR.
        signal_to_noise: dB; each is None where it is no number, as for equal tensors.
    """

    model_config = ConfigDict(frozen=True)

    target: str
    cosine: float | None
    euclidean: float | None
    signal_to_noise: float | None


class Output(cvimodel.Tensor):
    """An output of a cvimodel.

    Attributes:
        declared: its name in the source network, as in [output] names; empty where that is not known.
        relative_boxes: whether its boxes are declared to be fractions of the input; None where that is not
            known.
    """

    declared: str = ""
    relative_boxes: bool | None = None


class Info(cvimodel.Listing):
    """`…_info.json`: a cvimodel, what it was validated with, and what the camera does with it.

    Attributes:
        outputs: in the file's order.
        size: bytes of the file.
        recognised_as: the kind of model, empty if the camera refuses it.
        time: the estimated time on the TPU; None where an earlier version wrote this.
    """

    schema_version: Literal[1] = 1
    outputs: tuple[Output, ...]
    size: int
    similarity: tuple[Comparison, ...]
    recognised_as: str
    recognition: Recognition
    time: device_time.Estimate | None = None


def float_type(name: str, quantize: str | None) -> None:
    """Says what a variant that was declared as F16 computes in."""
    if quantize == "F16":
        announce.note(f"{name}: F16 computes in BF16, the only float type of this processor")


def search(name: str, summary: Path) -> None:
    """Says how a qtable search ended that may be gone on from."""
    result = json.loads(summary.read_text(encoding="utf-8"))["search"]
    if result["ending"] == "int8_suffices":
        announce.note(
            f"{name}: INT8 alone reaches a cosine of {result['int8_cos']:.6f} "
            f"({result['expected_cos']:g} expected): no layer stays float, and the cvimodel equals INT8's"
        )
    elif result["ending"] == "gave_up":
        announce.note(
            f"warning: {name}: the qtable search gave up at a cosine of {result['mix_cos']:.6f}, "
            f"{result['expected_cos']:g} was expected (INT8 alone: {result['int8_cos']:.6f}): "
            f"{result['cause']}. {result['remedy']}"
        )


def network(name: str, mlir: Path, wanted: named_outputs.Wanted, result: Path) -> None:
    """Writes the outputs of a network that became MLIR, by their declared names.

    Raises:
        StepFailedError: they are others than declared, or come in another order.
    """
    named_outputs.write(result, named_outputs.of_mlir(name, mlir, wanted))


def float_layers(name: str, qtable: Path | None) -> None:
    """Tells where a variant's qtable keeps no layer float."""
    if qtable is None:
        return
    rows = [line.split() for line in qtable.read_text(encoding="utf-8").splitlines()]
    modes = {row[1].upper() for row in rows if len(row) > 1 and not row[0].startswith("#")}
    if not modes - {"INT8"}:
        announce.note(f"{name}: its qtable keeps no layer float, so the cvimodel equals INT8's")


def examine(  # noqa: PLR0913 - as below
    model: Path,
    listing: str,
    time: dict[str, Any],
    validation: dict[str, Any],
    outputs: Sequence[named_outputs.NamedOutput] | None = None,
    *,
    declared: feed.Declared = feed.NOTHING,
) -> Info:
    """Everything that is known of a cvimodel.

    Args:
        model: the file.
        listing: what the tool lists of it.
        time: the estimate of its time.
        validation: the summary of the tool that made it; empty where there is none.
        outputs: those of its MLIR; None where they are not known.
        declared: what its declaration says of the camera's picture.

    Raises:
        StepFailedError: its outputs are others, or come in another order.
        CvimakeError: the listing is not one.
    """
    parsed = cvimodel.parse(listing)
    if outputs is not None:
        named_outputs.of_cvimodel(model.name, parsed.outputs, outputs)
    known = [output.model_dump(include={"declared", "relative_boxes"}) for output in outputs or ()]
    named = tuple(
        Output(**dict(tensor), **more)
        for tensor, more in zip(parsed.outputs, known or [{}] * len(parsed.outputs), strict=True)
    )
    relative = named[0].relative_boxes if named else None
    recognition = recognise(parsed.inputs, named, relative_boxes=relative, declared=declared)
    return Info(
        **{**dict(parsed), "outputs": named},
        size=model.stat().st_size,
        similarity=tuple(Comparison(**found) for found in validation.get("comparisons", [])),
        recognised_as=recognition.as_,
        recognition=recognition,
        time=device_time.Estimate(**time),
    )


def named_as_beside(known: Info, model: Path) -> Info:
    """The same with what its declaration says, if the file beside it that has that is of it.

    A build and a release have such a file, `…_info.json`.
    """
    try:
        beside = Info.model_validate_json(model.with_name(f"{model.stem}_info.json").read_bytes())
    except (OSError, ValueError):
        return known
    same = beside.size == known.size and beside.sections == known.sections and beside.name == known.name
    if not same or beside.recognised_as != known.recognised_as:
        return known
    return known.model_copy(update={"outputs": beside.outputs, "recognition": beside.recognition})


def info(  # noqa: PLR0913, PLR0917 - one place where all that is known of a cvimodel comes together
    name: str,
    model: Path,
    listing: Path,
    time: Path,
    validation: Path,
    outputs: Path,
    declared: feed.Declared,
    budget: Budget,
    result: Path,
) -> None:
    """Writes what is known of a cvimodel, and holds it against its budget.

    Raises:
        StepFailedError: it is over the budget, with every excess, or its listing is not understood.
    """
    try:
        known = examine(
            model,
            listing.read_text(encoding="utf-8"),
            json.loads(time.read_text(encoding="utf-8")),
            json.loads(validation.read_text(encoding="utf-8")),
            named_outputs.read(outputs),
            declared=declared,
        )
    except cvimodel.ListingError as error:
        raise StepFailedError(
            f"{name}: {error}", f"The cvimodel itself is made: {model}. The whole listing: {listing}"
        ) from error
    temporary = result.with_suffix(".json.new")
    temporary.write_text(known.model_dump_json(indent=1, by_alias=True) + "\n", encoding="utf-8")
    temporary.replace(result)
    for warning in known.recognition.warnings:
        announce.note(f"warning: {name}: {warning}")
    if excesses := list(over_budget(known, budget)):
        raise StepFailedError(f"{name}: over its budget", "\n".join(excesses))


def over_budget(known: Info, budget: Budget) -> list[str]:
    """Where a cvimodel needs more, or is something else, than was declared."""
    excesses = []
    if budget.size is not None and known.size > budget.size:
        excesses.append(f"size: {known.size} bytes, at most {budget.size} are declared")
    if budget.ion_memory is not None and known.ion_memory > budget.ion_memory:
        excesses.append(f"ion_memory: {known.ion_memory} MB, at most {budget.ion_memory:g} are declared")
    excesses += _too_slow(known.time, budget.milliseconds)
    if budget.recognised_as is not None and known.recognised_as != budget.recognised_as:
        seen = known.recognised_as or f"nothing: {known.recognition.reason}"
        excesses.append(
            f"recognised_as: {budget.recognised_as} is declared, and the camera takes it for {seen}"
        )
    if budget.works_on_camera and known.recognition.trouble:
        excesses.append(f"works_on_camera: {known.recognition.trouble}")
    return excesses


def _too_slow(time: device_time.Estimate | None, most: float | None) -> list[str]:
    """Where the estimated time at the slowest clock is above the budget."""
    if most is None:
        return []
    taken = time.milliseconds if time else None
    if taken is None:
        reason = time.unknown if time else "its info was written by an earlier version"
        return [f"milliseconds: at most {most:g} are declared, and there is no estimate: {reason}"]
    if taken > most:
        return [f"milliseconds: {taken:.3f} are estimated at 500 MHz, at most {most:g} are declared"]
    return []
