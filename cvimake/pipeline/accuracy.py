"""All that was measured of what a network sees, as in `…_accuracy.json`, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cvimake.project.model import Budget

# The greatest difference of figures that are written with six digits.
_ROUNDING = 1e-6


class Figure(BaseModel):
    """One figure that stands for the whole.

    Attributes:
        metric: such as `mAP50-95`, `top1` or `agreement`.
        value: from 0 to 1; None if the images do not allow it.
        standard_error: of the value, by the choice of the images; None if it is not known.
    """

    model_config = ConfigDict(frozen=True)

    metric: str
    value: float | None
    standard_error: float | None = None

    @property
    def number(self) -> str:
        """The value as text."""
        return "unknown" if self.value is None else f"{self.value:.3f}"

    def __str__(self) -> str:
        """Return the value with its standard error."""
        return f"{self.number} ±{self.standard_error:.3f}" if self.standard_error else self.number


class Measured(BaseModel):
    """The accuracy of a network or a cvimodel: the contents of `…_accuracy.json`.

    Attributes:
        network: the file that was measured.
        sha256: of this file.
        images: on how many images.
        kind: the kind of model that the camera takes it for; empty if for none.
        figure: as the field measures it; None if there are no labels, or no decoder.
        figure_reason: why there is no figure.
        camera: the same with the camera's own thresholds and post-processing; None if the camera has none.
        camera_reason: why there is no figure of the camera.
        agreement: with the float network; None of the float network itself.
        field_details, camera_details, agreement_details: all other figures.
        outputs: how each output compares with the float network's; empty where detections were compared.
        similarity: the same on a few images, where detections were compared.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    network: str
    sha256: str
    images: int
    kind: str
    figure: Figure | None
    figure_reason: str = ""
    camera: Figure | None
    camera_reason: str = ""
    agreement: Figure | None
    field_details: dict[str, Any] = {}
    camera_details: dict[str, Any] = {}
    agreement_details: dict[str, Any] = {}
    outputs: tuple[dict[str, Any], ...] = ()
    similarity: tuple[dict[str, Any], ...] = ()

    @property
    def why_agreement_is_unknown(self) -> str:
        """The reason, as the end of a sentence about the images; empty if it is known."""
        unknown = self.agreement is not None and self.agreement.value is None
        return ", because the float network finds nothing in them that it is sure of" if unknown else ""


def drop(ours: Figure | None, theirs: Figure | None) -> float | None:
    """Return by how much our figure is less than theirs; None if that is not known."""
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return None
    return theirs.value - ours.value


def difference(ours: Figure | None, theirs: Figure | None) -> str:
    """Return by how much our figure differs from theirs, as text after it; empty if that is not known."""
    lost = drop(ours, theirs)
    # Not -lost: equal figures would differ by -0.
    return "" if lost is None else f" ({0 - lost:+.3f})"


def over_budget(measured: Measured, of_float: Measured | None, budget: Budget) -> Iterator[str]:
    """Yield each way in which a cvimodel sees less than its budget allows."""
    if measured.figure is None and of_float:
        for name in ("accuracy", "accuracy_drop"):
            if getattr(budget, name) is not None:
                yield f"{name}: there is no figure: {measured.figure_reason}"
    figure, least = measured.figure, budget.accuracy
    if least is not None and figure and not _reaches(figure.value, least):
        yield f"accuracy: {figure.metric} is {figure}, at least {least:g} is declared"
    lost, most = drop(measured.figure, of_float.figure if of_float else None), budget.accuracy_drop
    if most is not None and lost is not None and lost > most + _ROUNDING:
        yield f"accuracy_drop: {lost:.4f} less than the float network, at most {most:g} is declared"
    agreement, least = measured.agreement, budget.agreement
    if least is not None and agreement and not _reaches(agreement.value, least):
        yield f"agreement: {agreement} with the float network, at least {least:g} is declared"


def _reaches(value: float | None, least: float) -> bool:
    return value is not None and value + _ROUNDING >= least
