"""Makes a release from the results of a build: collects its files, and what prevents it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cvimake.builder.outcomes import read_accuracy
from cvimake.core import digest
from cvimake.core.content import Contents
from cvimake.core.errors import CvimakeError
from cvimake.core.paths import TOOLCHAIN
from cvimake.pipeline.accuracy import Measured
from cvimake.pipeline.cvimodel_info import Info
from cvimake.pipeline.outcomes import MeasuredAccuracy
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel
from cvimake.project.dataset import DeclaredDataset
from cvimake.project.labels import label_files
from cvimake.release import contents, provenance, readme, sums
from cvimake.release.contents import PROVENANCE, README, SUMS, Content
from cvimake.release.provenance import Origin
from cvimake.release.refusal import ACCURACY, Built

PYPROJECT = Path("pyproject.toml")


def built(
    models: Mapping[str, DeclaredModel], stages: Sequence[Stage], unfinished: frozenset[str]
) -> tuple[list[Built], list[str]]:
    """Return the outcome of each cvimodel and measured float network, and the failed stages of none of them.

    Args:
        models: the models of the release, by name.
        stages: their stages.
        unfinished: the names of the stages that did not succeed.
    """
    found = []
    left = set(unfinished)
    accuracies = {
        stage.action.name.removesuffix(ACCURACY): _measured(stage)
        for stage in stages
        if isinstance(stage.outcome, MeasuredAccuracy)
    }
    for cvimodel in contents.cvimodels(stages):
        own = [
            stage.action.name
            for stage in stages
            if stage.row and stage.row.info == cvimodel.info and stage.action.name in unfinished
        ]
        left -= set(own)
        name = f"{cvimodel.model}:{cvimodel.variant}"
        # If the cvimodel failed, the info that is there belongs to an earlier one.
        info = None if name in unfinished else read_info(cvimodel.info)
        budget = models[cvimodel.model].model.budget
        ours, of_float = accuracies.pop(name, (None, None))
        if name in unfinished:
            ours = None
        found.append(
            Built(name=name, info=info, measured=ours, of_float=of_float, budget=budget, unfinished=own)
        )
    for name, (ours, _) in accuracies.items():
        own = sorted(left & {f"{name}{ACCURACY}"})
        left -= set(own)
        budget = models[name.partition(":")[0]].model.budget
        found.append(Built(name=name, info=None, measured=ours, budget=budget, unfinished=own))
    return found, sorted(left)


def _measured(stage: Stage) -> tuple[Measured | None, Measured | None]:
    """Return what a stage has measured, and what was measured of the float network.

    Each is None if it is missing, or if it was measured of another file than the one that is there now.
    """
    outcome = stage.outcome
    if not isinstance(outcome, MeasuredAccuracy):
        return None, None
    networks = {file.name: file.path for file in stage.action.inputs}
    ours, of_float = (_of_present(path, networks) for path in (outcome.result, outcome.of_float))
    return ours, of_float


def _of_present(path: Path | None, networks: Mapping[str, Path]) -> Measured | None:
    try:
        found = read_accuracy(path) if path else None
        network = networks.get(found.network) if found else None
        return found if found and network and found.sha256 == digest.of_file(network) else None
    except (CvimakeError, OSError):
        return None


def read_info(path: Path) -> Info | None:
    """Read the info of a cvimodel; None if there is none or it cannot be read."""
    try:
        return Info.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A release that is complete and not yet written.

    Attributes:
        files: the content of each file, by its name in the release.
        paths: every file whose digest stands in it: another digest later means that it is not true any more.
    """

    files: dict[str, Content]
    paths: Mapping[Path, str]


def draft(
    origin: Origin,
    models: Mapping[str, DeclaredModel],
    stages: Sequence[Stage],
    states: Contents,
    report: Mapping[str, bytes],
) -> Draft:
    """Return a release with all its files.

    Args:
        origin: the sources and conditions.
        models: the models, by name.
        stages: their stages.
        states: what is known of files.
        report: the files of the report, by their names in the release.

    Raises:
        CvimakeError: a file of class names cannot be read.
        OSError: a file that the build made is gone.
    """
    cvimodels = list(contents.cvimodels(stages))
    infos = [(cvimodel, info) for cvimodel in cvimodels if (info := read_info(cvimodel.info))]
    files: dict[str, Content] = dict(report)
    classes = class_names(models)
    for cvimodel, info in infos:
        files[cvimodel.name] = cvimodel.file
        files[cvimodel.info_name] = cvimodel.info
        files |= cvimodel.measured
        md5 = contents.md5_of(cvimodel.file)
        files[cvimodel.sidecar_name] = contents.sidecar(
            cvimodel, classes.get(cvimodel.model, ()), md5, info.recognition
        )
        files |= cvimodel.tables
    class_files = [path for model in models.values() if (path := _class_file(model))]
    origin = replace(origin, declarations=(*origin.declarations, *class_files))
    files[README] = readme.write(
        origin, infos, {name: model.model.description for name, model in models.items()}
    )
    known: dict[Path, str] = {}

    def sha256(path: Path) -> str:
        known[path] = str(states.state(str(path))[-1])
        return known[path]

    digests = {
        name: sha256(content) if isinstance(content, Path) else contents.sha256_of(content)
        for name, content in files.items()
    }
    files[PROVENANCE] = contents.as_json(provenance.statement(origin, stages, sha256, digests))
    digests[PROVENANCE] = contents.sha256_of(files[PROVENANCE])
    files[SUMS] = sums.write(digests).encode()
    return Draft(files=files, paths=known)


def edited(draft: Draft, states: Contents) -> list[Path]:
    """Return the files that were edited since the draft was made."""
    return [path for path, sha256 in draft.paths.items() if states.state(str(path))[-1] != sha256]


def records_of_images(stages: Iterable[Stage]) -> list[Path]:
    """Return the records of the images that stages run in, that of the toolchain first."""
    return list(dict.fromkeys([TOOLCHAIN, *(stage.toolchain for stage in stages)]))


def declarations(root: Path, models: Iterable[DeclaredModel], datasets: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files that declare the models and datasets of a release."""
    candidates = [PYPROJECT, Path("dodo.py"), *(model.folder / "model.toml" for model in models)]
    candidates += [folder / "dataset.toml" for folder in datasets]
    return tuple(path for path in candidates if (root / path).is_file())


def labels(models: Iterable[DeclaredModel], datasets: Mapping[str, DeclaredDataset]) -> tuple[Path, ...]:
    """Return the files with the labels that the models of a release are measured with."""
    found: set[Path] = set()
    for model in models:
        if model.accuracy and model.accuracy.labels:
            options = model.accuracy.options
            found |= {*label_files(datasets[str(options.dataset)], options.task)}
    return tuple(path for path in sorted(found) if path.is_file())


def declared(model: DeclaredModel) -> dict[str, Any]:
    """Return the options that a model's declaration gives, as a JSON value."""
    value: dict[str, Any] = json.loads(model.model.model_dump_json(exclude_unset=True))
    return value


def class_names(models: Mapping[str, DeclaredModel]) -> dict[str, tuple[str, ...]]:
    """Return the class names of each model that declares a file of them.

    Raises:
        CvimakeError: some of these files cannot be read. The error names all of them.
    """
    found, wrong = {}, []
    for name, model in models.items():
        if path := _class_file(model):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                wrong.append(f"{model.folder / 'model.toml'}: classes: {path}: {error}")
            else:
                found[name] = tuple(line.strip() for line in lines if line.strip())
    if wrong:
        raise CvimakeError("\n".join(wrong))
    return found


def _class_file(model: DeclaredModel) -> Path | None:
    return model.folder / model.model.classes if model.model.classes else None
