"""The state and the history of stages, read from the records of builds and the files in `build`."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.builder.build import Build
from cvimake.builder.history import History, Run
from cvimake.builder.outcomes import read_accuracy
from cvimake.builder.reasons import Follows, LastFailed
from cvimake.builder.staleness import Verdict
from cvimake.core import digest
from cvimake.core.action import Action
from cvimake.core.errors import CvimakeError
from cvimake.core.key import action_key
from cvimake.core.paths import TOOLCHAIN
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.checks import AccuracyNotes
from cvimake.pipeline.outcomes import MeasuredAccuracy
from cvimake.pipeline.stage import Stage
from cvimake.report import tables
from cvimake.report.variant_data import Input, Making, Trouble

UP_TO_DATE = "up to date"
# The worst first: several stages together have the state of the worst.
_STATES = ("cannot run", "waits", "will run", "may run")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The stages of a project, and what is known of them.

    Attributes:
        stages: by name.
        verdicts: the stages that a build would run.
    """

    build: Build
    stages: Mapping[str, Stage]
    verdicts: Mapping[str, Verdict]
    history: History

    @functools.cached_property
    def of_model(self) -> Mapping[str, Sequence[str]]:
        """The stages that are built with each model, by the model's name."""
        found: dict[str, list[str]] = {}
        for name, stage in self.stages.items():
            if not stage.on_request:
                found.setdefault(name.partition(":")[0], []).append(name)
        return found

    @functools.cached_property
    def _identity(self) -> Mapping[str, object]:
        return tables.json_object(self.build.root / TOOLCHAIN)

    @functools.cached_property
    def toolchain(self) -> str:
        """The version and the fingerprint of the toolchain; empty if nothing was built."""
        packages = self._identity.get("packages")
        version = packages.get("tpu-mlir", {}).get("version", "") if isinstance(packages, dict) else ""
        return f"tpu_mlir {version}, fingerprint {digest.of_value(self._identity)}" if self._identity else ""

    def state(self, stages: Sequence[str]) -> str:
        """Return what a build would do with some stages, in the words of `plan`."""
        states = {str(self.verdicts[name]) for name in stages if name in self.verdicts}
        return next((state for state in _STATES if state in states), UP_TO_DATE)

    def reasons(self, stages: Sequence[str]) -> list[str]:
        """Return why some stages would run; failures are told as such."""
        found = [
            (name, reason)
            for name in stages
            if name in self.verdicts
            for reason in self.verdicts[name].reasons
        ]
        # The stages that a stage follows from have reasons of their own.
        return [f"{name}: {reason}" for name, reason in found if not isinstance(reason, Follows | LastFailed)]

    def troubles(self, stages: Sequence[str]) -> list[Trouble]:
        """Return the failures of some stages."""
        found = [
            (name, failure.problem)
            for name in stages
            if name in self.verdicts and (failure := self.history.failure(name))
        ]
        return [
            Trouble(cause=f"{name} failed: {one.cause}", remedy=one.remedy, link=one.link)
            for name, one in found
        ]

    def measured(self, network: str, path: Path | None) -> Measured | None:
        """Return what was measured of a network; None if exactly this file was not measured."""
        stage = self.stages.get(f"{network}_accuracy")
        if (
            stage is None
            or not isinstance(stage.outcome, MeasuredAccuracy)
            or not stage.outcome.result.is_file()
        ):
            return None
        try:
            found = read_accuracy(stage.outcome.result)
            measured = path or {file.name: file.path for file in stage.action.inputs}.get(found.network)
            return found if measured and self.sha256(measured) == found.sha256 else None
        except (CvimakeError, OSError):
            # The next build makes a damaged file again.
            return None

    def sha256(self, path: Path) -> str:
        """Return the sha256 of a file.

        Raises:
            OSError: it cannot be read.
        """
        return str(self.build.contents.state(str(path))[-1])

    def making(self, stage: Stage) -> Making | None:
        """Return how the outputs of a stage were made; None if that is not on record."""
        run = self.history.last(stage.action.name)
        if run is None:
            return None
        ended = dt.datetime.fromtimestamp(run.ended, tz=dt.timezone.utc).astimezone()
        identity = self.history.text(run.inputs.get(str(TOOLCHAIN), ""))
        return Making(
            command=stage.action.argv,
            inputs=tuple(
                Input(path=path, sha256=sha256)
                for path, sha256 in sorted(run.inputs.items())
                if path != str(TOOLCHAIN)
            ),
            key=self._key(stage.action, run) if identity is not None else "",
            toolchain=self.toolchain,
            ended=ended.strftime("%Y-%m-%d %H:%M"),
            seconds=round(run.seconds, 1),
        )

    def _key(self, action: Action, run: Run) -> str:
        try:
            return action_key(action, digest.of_value(self._identity), lambda path: run.inputs[str(path)])
        except KeyError:
            # It reads other files now than in its last run.
            return ""

    def notes(self, stage: str) -> tuple[str, ...]:
        """Return the doubts that a stage tells before it runs."""
        checks = self.stages[stage].checks if stage in self.stages else ()
        return tuple(note for check in checks if isinstance(check, AccuracyNotes) for note in check.notes)
