"""Gathers a report from what a build has left: its files, its records, and what a build would do now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cvimake
from cvimake.builder.unbuildable import Unbuildable
from cvimake.camera.device_memory import ION_POOL
from cvimake.core.git import Tree
from cvimake.pipeline import files
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.target import targets
from cvimake.project import DeclaredModel
from cvimake.report import accuracy, tables, variants
from cvimake.report.data import Change, Model, Preview, Report
from cvimake.report.evidence import Evidence
from cvimake.report.suggestion import suggest
from cvimake.report.variant_data import Trouble
from cvimake.report.variants import existing


@dataclass(frozen=True, kw_only=True)
class Since:
    """The last release of a model, and what has changed since.

    Attributes:
        release: its name; empty if there is none.
        of_model: the changes of each model.
        summaries: the same in a few sentences.
    """

    release: str = ""
    of_model: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    summaries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """All that a report is gathered from."""

    evidence: Evidence
    tree: Tree
    since: Since

    def report(self, project: str, models: Sequence[DeclaredModel], others: Sequence[Unbuildable]) -> Report:
        """Return the report of some models, and of those that cannot be built."""
        found = [self._model(model) for model in models]
        found += [self._unbuildable(model) for model in others]
        commit = self.tree.commit
        return Report(
            project=project,
            cvimake=cvimake.__version__,
            commit=f"{commit}, with changes" if commit and self.tree.is_dirty else commit,
            toolchain=self.evidence.toolchain,
            pool=ION_POOL,
            models=tuple(sorted(found, key=lambda model: model.name)),
        )

    def _unbuildable(self, model: Unbuildable) -> Model:
        error = model.error.problem()
        return Model(
            name=model.task,
            description="",
            declaration=f"{self.evidence.build.declarations.settings.models}/{model.task}/model.toml",
            state="cannot run" if model.is_wrong else "waits",
            troubles=(Trouble(cause=error.cause, remedy=error.remedy, link=error.link),),
            suggestion=suggest(()),
        )

    def _model(self, model: DeclaredModel) -> Model:
        of_float = self.evidence.measured(f"{model.name}:float", None)
        table = files.place(model.name, files.calibration_table(model.name))
        thresholds = tables.thresholds(table) if f"{model.name}:calibration" in self.evidence.stages else ()
        order = [one.layer for one in thresholds]
        measured: dict[str, Measured] = {}
        found = []
        for target in targets(model):
            path = files.place(model.name, target.cvimodel)
            if one := self.evidence.measured(target.stage, path):
                # While a build measures on other images, the figures of the variants that are left are of the
                # earlier ones, and nothing can be compared.
                if of_float and one.images != of_float.images:
                    one = None
                else:
                    measured[target.label] = one
            found.append(variants.of_target(self.evidence, target, one, of_float, order))
        float_stem = files.float_stem(model.name)
        own = self.evidence.of_model.get(model.name, ())
        figure = next((one.figure for one in measured.values() if one.figure), None)
        return Model(
            name=model.name,
            description=model.model.description,
            declaration=str(model.folder / "model.toml"),
            state=self.evidence.state(own),
            suggestion=suggest(found),
            metric=figure.metric if figure else "agreement" if measured else "",
            images=next((one.images for one in measured.values()), 0),
            of_float=of_float.figure if of_float else None,
            of_float_camera=of_float.camera if of_float else None,
            variants=tuple(found),
            breakdowns=accuracy.breakdowns(of_float, measured),
            curves=accuracy.curves(of_float, measured) if measured else None,
            confusions=accuracy.confusions(of_float, measured),
            notes=self.evidence.notes(f"{model.name}:float_accuracy"),
            thresholds=thresholds,
            previews=tuple(self._previews(model.name)),
            release=self.since.release if model.name in self.since.of_model else "",
            changes=self.since.of_model.get(model.name, ()),
            changes_in_words=self.since.summaries.get(model.name, ()),
            files=existing(
                ("declaration", model.folder / "model.toml"),
                ("accuracy of the float network", files.place(model.name, files.accuracy(float_stem))),
                ("thresholds", table),
                ("outputs", files.place(model.name, files.outputs(model.name))),
            ),
        )

    def _previews(self, model: str) -> list[Preview]:
        path = files.place(model, files.preview(model)[0])
        if not path.is_file():
            return []
        state = self.evidence.state([f"{model}:preview"])
        return [Preview(path=str(path), sha256=self.evidence.sha256(path), state=state)]
