"""The last release of a project, and what has changed since, for a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvimake.builder.build import Build
from cvimake.core import announce
from cvimake.core.errors import CvimakeError
from cvimake.core.git import Tree
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel
from cvimake.release import difference, label, making, present, summary
from cvimake.release.provenance import Origin
from cvimake.release.rebuild import RELEASES
from cvimake.report.data import Change
from cvimake.report.gathering import Since


def since_release(
    build: Build, tree: Tree, models: Sequence[DeclaredModel], stages: Mapping[str, Stage]
) -> Since:
    """Return the last release, and what has changed in each model since, without models that are not built.

    Args:
        build: the build.
        tree: the project's working tree.
        models: the models of the report.
        stages: the stages of all models, by name.
    """
    release = present.last_release(build.root / RELEASES)
    if release is None:
        return Since()
    own = {model.name: _stages_of(model.name, stages) for model in models}
    built = {model.name: model for model in models if _is_built(own[model.name])}
    if not built:
        return Since(release=release.name)
    try:
        released = [stage for name in built for stage in own[name]]
        draft = making.draft(_origin(build, tree, built, released), built, released, build.contents, {})
        old, new = present.compared(release, draft.files)
        found = difference.changes(old, new)
        told = {name: summary.of_model(name, old, new) for name in built}
    except (CvimakeError, OSError) as error:
        announce.note(f"warning: the report has no changes since {release.name}: {error}")
        return Since()
    names = frozenset(build.declarations.models)
    of_model = {
        name: tuple(
            Change(subject=one.subject, what=one.what, old=one.old, new=one.new)
            for one in present.of_model(name, names - {name}, found)
        )
        for name in built
    }
    return Since(release=release.name, of_model=of_model, summaries=told)


def _origin(build: Build, tree: Tree, models: Mapping[str, DeclaredModel], stages: Sequence[Stage]) -> Origin:
    """Return the origin that a release would have now, as far as releases are compared."""
    identities = {
        path.stem: json.loads((build.root / path).read_text(encoding="utf-8"))
        for path in making.records_of_images(stages)
    }
    return Origin(
        name=label.project_name() or build.root.name,
        version=tree.described or "now",
        models=list(models),
        commit=tree.commit,
        dirty=tree.is_dirty,
        epoch=build.epoch,
        allowed=(),
        not_held=(),
        identities=identities,
        declared={name: making.declared(model) for name, model in models.items()},
        declarations=making.declarations(
            Path(), models.values(), (dataset.folder for dataset in build.declarations.datasets.values())
        ),
        labels=making.labels(models.values(), build.declarations.datasets),
    )


def _stages_of(model: str, stages: Mapping[str, Stage]) -> list[Stage]:
    return [stage for name, stage in stages.items() if name.startswith(f"{model}:") and not stage.on_request]


def _is_built(stages: Sequence[Stage]) -> bool:
    return all(output.path.is_file() for stage in stages for output in stage.action.outputs)
