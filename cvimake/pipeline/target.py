"""The cvimodels of a model: one for each variant and processor."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from cvimake.pipeline import files
from cvimake.pipeline.checks import TablesCheck
from cvimake.pipeline.stage import Row
from cvimake.project.declarations import DeclaredModel, DeclaredVariant


@dataclass(frozen=True)
class Target:
    """One cvimodel to make: a variant for one processor."""

    model: DeclaredModel
    variant: DeclaredVariant
    processor: str

    @property
    def label(self) -> str:
        """The variant's name, followed by the processor where the variant has several."""
        return self.variant.label(self.processor)

    @property
    def stage(self) -> str:
        """The name of the stage that makes the cvimodel: `MODEL:LABEL`."""
        return f"{self.model.name}:{self.label}"

    @functools.cached_property
    def stem(self) -> str:
        """The beginning of the names of its files."""
        return f"{self.model.name}_{self.processor}_{self.variant.name}"

    @functools.cached_property
    def row(self) -> Row:
        """Its row of the table at the end of a build."""
        name = self.model.name
        measured = (
            (files.accuracy(files.float_stem(name)), files.accuracy(self.stem)) if self.model.accuracy else ()
        )
        return Row(
            name,
            self.label,
            files.place(name, f"{self.stem}_info.json"),
            tuple(files.place(name, file) for file in measured),
        )

    @property
    def cvimodel(self) -> str:
        """The name of the cvimodel's file."""
        return f"{self.stem}.cvimodel"

    @property
    def validation(self) -> str:
        """The name of the file that says how the tool compared the cvimodel with the float network."""
        return f"{self.stem}_validation.json"

    @property
    def qtable(self) -> str:
        """The name of the table of the layers that stay float."""
        return f"{self.stem}_qtable"

    def table_checks(self) -> tuple[TablesCheck, ...]:
        """Return the check of the user's own tables, if the variant has any."""
        options = self.variant.options
        if not options.calibration_table and not isinstance(options.qtable, str):
            return ()
        mlir = files.place(self.model.name, files.mlir(self.model.name))
        return (TablesCheck(model=self.model, variant=self.variant, mlir=mlir),)


def targets(model: DeclaredModel) -> Iterator[Target]:
    """Yield every cvimodel of a model."""
    for variant in model.variants:
        for processor in variant.processors:
            yield Target(model, variant, processor)
