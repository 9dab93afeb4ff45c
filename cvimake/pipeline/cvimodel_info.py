"""All that is known of a cvimodel, as in `…_info.json`, and how it compares with its budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cvimake.camera import camera_picture, device_time
from cvimake.camera.recognition import Recognition, recognise
from cvimake.pipeline import named_outputs
from cvimake.project.model import Budget
from cvimake.toolchain import cvimodel


class Comparison(BaseModel):
    """One comparison that the tool made: for each measure, the lowest value of all layers.

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
        declared: its name in the source network, as in [output] names; empty if it is not known.
        relative_boxes: True if its boxes are declared to be fractions of the input; None if it is not known.
    """

    declared: str = ""
    relative_boxes: bool | None = None


class Info(cvimodel.Listing):
    """A cvimodel, how it was validated, and what the camera does with it: the contents of `…_info.json`.

    Attributes:
        outputs: in the file's order.
        size: bytes of the file.
        recognised_as: the kind of model; empty if the camera refuses it.
        time: the estimated time on the TPU; None if an earlier version wrote the file.
    """

    schema_version: Literal[1] = 1
    outputs: tuple[Output, ...]
    size: int
    similarity: tuple[Comparison, ...]
    recognised_as: str
    recognition: Recognition
    time: device_time.Estimate | None = None


def examine(  # noqa: PLR0913 - everything that is known of a cvimodel comes together here
    name: str,
    size: int,
    listing: str,
    time: dict[str, Any],
    validation: dict[str, Any],
    *,
    outputs: Sequence[named_outputs.NamedOutput] | None = None,
    declared: camera_picture.Declared = camera_picture.NOTHING,
) -> Info:
    """Return everything that is known of a cvimodel.

    Args:
        name: the file's name.
        size: bytes of the file.
        listing: the tool's listing of the file.
        time: the estimate of its time.
        validation: the summary of the tool that made it; empty if there is none.
        outputs: those of its MLIR; None if they are not known.
        declared: how its declaration differs from the camera's picture.

    Raises:
        StageFailedError: the cvimodel has other outputs, or has them in another order.
        ListingError: the listing is not as tpu_mlir 1.7 writes it.
    """
    parsed = cvimodel.parse(listing)
    if outputs is not None:
        named_outputs.of_cvimodel(name, parsed.outputs, outputs)
    known = [output.model_dump(include={"declared", "relative_boxes"}) for output in outputs or ()]
    named = tuple(
        Output(**dict(tensor), **more)
        for tensor, more in zip(parsed.outputs, known or [{}] * len(parsed.outputs), strict=True)
    )
    relative = named[0].relative_boxes if named else None
    recognition = recognise(parsed.inputs, named, relative_boxes=relative, declared=declared)
    return Info(
        **{**dict(parsed), "outputs": named},
        size=size,
        similarity=tuple(Comparison(**found) for found in validation.get("comparisons", [])),
        recognised_as=recognition.as_,
        recognition=recognition,
        time=device_time.Estimate(**time),
    )


def over_budget(known: Info, budget: Budget) -> list[str]:
    """Return each way in which a cvimodel exceeds its budget or differs from it."""
    excesses = []
    if budget.size is not None and known.size > budget.size:
        excesses.append(f"size: {known.size} bytes, at most {budget.size} are declared")
    if budget.ion_memory is not None and known.ion_memory > budget.ion_memory:
        excesses.append(f"ion_memory: {known.ion_memory} MB, at most {budget.ion_memory:g} are declared")
    excesses += _too_slow(known.time, budget.milliseconds)
    if budget.recognised_as is not None and known.recognised_as != budget.recognised_as:
        seen = known.recognised_as or f"nothing: {known.recognition.reason}"
        excesses.append(
            f"recognised_as: {budget.recognised_as} is declared, but the camera takes it for {seen}"
        )
    if budget.works_on_camera and known.recognition.trouble:
        excesses.append(f"works_on_camera: {known.recognition.trouble}")
    return excesses


def _too_slow(time: device_time.Estimate | None, most: float | None) -> list[str]:
    """Return the excess of the estimated time at the slowest clock, if there is one."""
    if most is None:
        return []
    taken = time.milliseconds if time else None
    if taken is None:
        reason = time.unknown if time else "its info was written by an earlier version"
        return [f"milliseconds: at most {most:g} are declared, but there is no estimate: {reason}"]
    if taken > most:
        return [f"milliseconds: {taken:.3f} are estimated at 500 MHz, at most {most:g} are declared"]
    return []
