"""The report that a release has in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from cvimake.builder.build import Build
from cvimake.builder.history import HISTORY, History
from cvimake.core.git import Tree
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel
from cvimake.release.label import Label
from cvimake.report import shipping
from cvimake.report.evidence import Evidence
from cvimake.report.gathering import Gathering, Since


def files(
    build: Build, named: Label, tree: Tree, models: Mapping[str, DeclaredModel], stages: Sequence[Stage]
) -> dict[str, bytes]:
    """Return the files of the report, by their names in the release. Nothing in it is out of date."""
    own = {stage.action.name: stage for stage in stages}
    with contextlib.closing(History(HISTORY)) as history:
        evidence = Evidence(build=build, stages=own, verdicts={}, history=history)
        gathering = Gathering(evidence=evidence, tree=tree, since=Since())
        return shipping.files(gathering.report(str(named), list(models.values()), []))
