"""Named outcomes: what `builder/` concludes on the host from a stage's outputs. Nothing is read here."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from cvimake.camera import camera_picture
from cvimake.project.model import Budget

# Raise it when the same outputs lead to another outcome: every outcome is then concluded anew.
REVISION = 4


# The parts of a budget that are for the accuracy and not for the info.
ACCURACY = ("accuracy", "accuracy_drop", "agreement")


class _Outcome:
    """Properties that all outcomes have, for those that write no file."""

    @property
    def writes(self) -> tuple[Path, ...]:
        """The files that are written."""
        return ()

    @property
    def also_reads(self) -> tuple[Path, ...]:
        """The files that are read, beside the stage's outputs."""
        return ()

    @property
    def decided_by(self) -> object:
        """Everything else that decides the written files; a JSON value."""
        return None


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs(_Outcome):
    """Write the list of a network's outputs under their declared names, or fail if they do not match.

    Attributes:
        names: the declared outputs in their order; empty for the network's own.
        network: the ONNX file that names the network's own outputs; None if no file does.
        order_is_kept: True if the toolchain keeps the order of the names. It does not keep the order of a
            TFLite network, but there it keeps the names instead.
        relative_boxes: True if the boxes are declared to be fractions of the input; None where that cannot be
            declared.
    """

    mlir: Path
    result: Path
    names: tuple[str, ...] = ()
    network: Path | None = None
    order_is_kept: bool = True
    relative_boxes: bool | None = None

    @property
    def writes(self) -> tuple[Path, ...]:
        """See `_Outcome.writes`."""
        return (self.result,)

    @property
    def decided_by(self) -> object:
        """See `_Outcome.decided_by`."""
        return [REVISION, *self.names, self.relative_boxes]


@dataclass(frozen=True, kw_only=True)
class SearchEnding(_Outcome):
    """Tell how a search ended, where it did not reach the expected cosine by mixing precisions.

    Attributes:
        variant: the stage that the search is for.
        summary: the tool's summary of the search.
    """

    variant: str
    summary: Path


@dataclass(frozen=True, kw_only=True)
class ComputedTypes(_Outcome):
    """Tell where a cvimodel computes in another type than was declared.

    Attributes:
        qtable: the table of the layers that stay float; None if there is none.
    """

    quantize: str | None
    qtable: Path | None


@dataclass(frozen=True, kw_only=True)
class CvimodelInfo(_Outcome):
    """Write all that is known of a cvimodel, and fail if it exceeds its budget.

    Attributes:
        variant: the stage that made the cvimodel.
        listing: the tool's listing of the cvimodel.
        time: the estimate of its time on the TPU.
        validation: how the tool compared it with the float network.
        outputs: the list of its network's outputs under their declared names.
        declared: how the declaration differs from the camera's picture.
    """

    variant: str
    cvimodel: Path
    listing: Path
    time: Path
    validation: Path
    outputs: Path
    declared: camera_picture.Declared
    budget: Budget
    result: Path

    @property
    def writes(self) -> tuple[Path, ...]:
        """See `_Outcome.writes`."""
        return (self.result,)

    @property
    def also_reads(self) -> tuple[Path, ...]:
        """See `_Outcome.also_reads`."""
        return (self.validation, self.outputs)

    @property
    def decided_by(self) -> object:
        """See `_Outcome.decided_by`."""
        return {
            **self.budget.model_dump(exclude=set(ACCURACY)),
            "camera": json.loads(json.dumps(dataclasses.asdict(self.declared))),
            "revision": REVISION,
        }


@dataclass(frozen=True, kw_only=True)
class MeasuredAccuracy(_Outcome):
    """Fail if a network sees less than its budget allows.

    Attributes:
        stage: the stage that measured it.
        result: the measured accuracy.
        of_float: that of the float network; None if this is it.
        wants_figure: there are labels to compare with, so it is told if nothing can be compared.
    """

    stage: str
    result: Path
    of_float: Path | None
    budget: Budget
    wants_figure: bool = True

    @property
    def also_reads(self) -> tuple[Path, ...]:
        """See `_Outcome.also_reads`."""
        return (self.of_float,) if self.of_float else ()

    @property
    def decided_by(self) -> object:
        """See `_Outcome.decided_by`."""
        return {**self.budget.model_dump(include=set(ACCURACY)), "revision": REVISION}


Outcome = NetworkOutputs | SearchEnding | ComputedTypes | CvimodelInfo | MeasuredAccuracy
