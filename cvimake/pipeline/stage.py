"""One stage of a model, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.action import Action
from cvimake.core.capacity import Load
from cvimake.core.paths import TOOLCHAIN
from cvimake.pipeline.checks import Check
from cvimake.pipeline.outcomes import Outcome
from cvimake.project.declarations import DeclaredModel


@dataclass(frozen=True)
class Row:
    """A row of the table at the end of a build: one cvimodel.

    Attributes:
        variant: the name of the stage that makes it, without the model's.
        info: the file with all that is known of it.
        accuracy: the files with the accuracy of the float network and of the cvimodel; empty if none is
            measured.
    """

    model: str
    variant: str
    info: Path
    accuracy: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a model. It can be pickled, and be run by another process.

    Attributes:
        load: what the tool is expected to take of the machine.
        toolchain: the fingerprint of the image that the tool runs in.
        row: the row of the final table that it counts for; None if it counts for several.
        checks: what is checked before the tool runs, in this order.
        outcome: what is concluded from the outputs; None for nothing.
        on_request: it only runs if it is named, and not with its model.
        takes_over_budget: it also takes results that exceed a budget, though the stage that made them failed.
    """

    action: Action
    load: Load
    toolchain: Path = TOOLCHAIN
    row: Row | None = None
    checks: tuple[Check, ...] = ()
    outcome: Outcome | None = None
    on_request: bool = False
    takes_over_budget: bool = False

    @property
    def concluded(self) -> tuple[Path, ...]:
        """The files that are concluded from the outputs."""
        return self.outcome.writes if self.outcome else ()

    @property
    def concluded_with(self) -> object:
        """Everything that decides the concluded files beside the files that are read; a JSON value."""
        return self.outcome.decided_by if self.outcome else None

    @property
    def also_read(self) -> tuple[Path, ...]:
        """The files that are read to conclude, beside the outputs."""
        return self.outcome.also_reads if self.outcome else ()


StageOf = Callable[[DeclaredModel], Iterator[Stage]]
