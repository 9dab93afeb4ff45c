"""Reads all declarations of a project: `pyproject.toml`, every `dataset.toml` and every `model.toml`."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cvimake.core import toml
from cvimake.core.errors import DeclarationError
from cvimake.core.plain_path import plain
from cvimake.project.choices import open_choices
from cvimake.project.completion import complete
from cvimake.project.dataset import Dataset, DeclaredDataset
from cvimake.project.declarations import Declarations, DeclaredModel, UnusableModel
from cvimake.project.declared import Declared
from cvimake.project.fetch import faults
from cvimake.project.mistakes import File, explain
from cvimake.project.model import Model
from cvimake.project.names import RESERVED_NAMES, unusable_name
from cvimake.project.sampling import Datasets
from cvimake.project.settings import Settings

_PYPROJECT = Path("pyproject.toml")

Table = TypeVar("Table", bound=Declared)


def read_declarations(root: Path, without: Container[str] = ()) -> Declarations:
    """Read the declarations in a project's folder.

    Args:
        root: the folder.
        without: the names of models that are not read.

    Raises:
        DeclarationError: `pyproject.toml`, which concerns all models, has a mistake. The error names every
            mistake of every file.
    """
    settings, of_settings = _settings(root / _PYPROJECT)
    datasets = _datasets(root, settings.datasets)
    models: dict[str, DeclaredModel] = {}
    unusable: dict[str, UnusableModel] = {}
    for path in _declared_in(root / settings.models, "model.toml", without):
        found = _model(path, settings, datasets)
        if isinstance(found, UnusableModel):
            unusable[found.name] = found
        else:
            models[found.name] = found
    of_models = [mistake for model in unusable.values() for mistake in model.mistakes]
    of_datasets = [mistake for mistakes in datasets.wrong.values() for mistake in mistakes]
    if of_settings:
        raise _error(*of_settings, *of_datasets, *of_models)
    return Declarations(
        settings=settings,
        datasets=datasets.right,
        models=models,
        unusable=unusable,
        # A model that uses a wrong dataset has its mistakes.
        mistakes=tuple(mistake for mistake in of_datasets if mistake not in of_models),
    )


def read_settings(root: Path) -> Settings:
    """Read `pyproject.toml` alone.

    Raises:
        DeclarationError: with every mistake in it.
    """
    settings, mistakes = _settings(root / _PYPROJECT)
    if mistakes:
        raise _error(*mistakes)
    return settings


def read_datasets(root: Path) -> tuple[Settings, Mapping[str, DeclaredDataset]]:
    """Read a project's settings and datasets, but none of its models.

    Raises:
        DeclarationError: with every mistake in them.
    """
    settings = read_settings(root)
    datasets = _datasets(root, settings.datasets)
    if datasets.wrong:
        raise _error(*(mistake for mistakes in datasets.wrong.values() for mistake in mistakes))
    return settings, datasets.right


def _error(*mistakes: str) -> DeclarationError:
    return DeclarationError("\n".join(dict.fromkeys(mistakes)))


def _settings(path: Path) -> tuple[Settings, list[str]]:
    """Return the settings and the mistakes in them."""
    if not path.exists():
        return Settings(), []
    try:
        text, values = toml.read(path)
    except DeclarationError as error:
        return Settings(), [error.cause]
    tool = values.get("tool", {})
    table = tool.get("cvimake", {}) if isinstance(tool, dict) else tool
    settings, mistakes = _table(File(path, text, ("tool", "cvimake")), Settings, table)
    return settings or Settings(), mistakes


def _datasets(root: Path, folder: str) -> Datasets:
    right: dict[str, DeclaredDataset] = {}
    wrong: dict[str, tuple[str, ...]] = {}
    for path in _declared_in(root / folder, "dataset.toml"):
        name = path.parent.name
        dataset, mistakes = _dataset(path)
        if mistakes:
            wrong[name] = tuple(mistakes)
        elif dataset:
            right[name] = dataset
    return Datasets(right, wrong, root)


def _dataset(path: Path) -> tuple[DeclaredDataset | None, list[str]]:
    """Return a dataset, None if it cannot be read, and the mistakes in it."""
    found, mistakes = _file(path, "dataset", frozenset())
    if found is None:
        return None, mistakes
    file, values = found
    table, more = _table(file, Dataset, values)
    mistakes += more
    if table is None:
        return None, mistakes
    dataset = DeclaredDataset(name=path.parent.name, folder=path.parent, dataset=table)
    of_fetch = list(faults(table.fetch)) if table.fetch else []
    mistakes += [file.mistake(("fetch", *key), what) for key, what in of_fetch]
    # Folder and labels may be among the files that are still to be fetched.
    is_fetched = not of_fetch and not dataset.missing
    if is_fetched and not dataset.files_folder.is_dir():
        mistakes.append(file.mistake(("folder",), f"no folder {plain(dataset.files_folder)}"))
    if is_fetched and dataset.labels and not dataset.labels.exists():
        mistakes.append(file.mistake(("labels",), f"no file or folder {plain(dataset.labels)}"))
    return dataset, mistakes


def _model(path: Path, settings: Settings, datasets: Datasets) -> DeclaredModel | UnusableModel:
    model: DeclaredModel | None = None
    choices: dict[str, str] = {}
    found, mistakes = _file(path, "model", RESERVED_NAMES)
    if found:
        file, values = found
        choices = open_choices(file, values, datasets.right)
        table, more = _table(file, Model, values)
        mistakes += more
        if table:
            model, of_model = complete(file, table, settings, datasets)
            mistakes += of_model
    # A value that is still to be chosen is no mistake of its own.
    mistakes = [mistake for mistake in mistakes if not mistake.startswith(tuple(choices))]
    if model and not mistakes and not choices:
        return model
    return UnusableModel(
        name=path.parent.name,
        mistakes=tuple(mistakes),
        choices=tuple(f"{place}{what}" for place, what in choices.items()),
    )


def _file(
    path: Path, kind: str, reserved: frozenset[str]
) -> tuple[tuple[File, dict[str, Any]] | None, list[str]]:
    """Return a file with its values, None if it cannot be read, and the mistakes in its name and syntax."""
    reason = unusable_name(path.parent.name, kind, reserved)
    mistakes = [f"{path.parent}: {reason}"] if reason else []
    try:
        text, values = toml.read(path)
    except DeclarationError as error:
        return None, [*mistakes, error.cause]
    return (File(path, text), values), mistakes


def _table(file: File, model: type[Table], values: object) -> tuple[Table | None, list[str]]:
    """Return the values of a file as a table, None if they are none, and the mistakes in them."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        return None, list(explain(file, model, error))


def _declared_in(folder: Path, name: str, without: Container[str] = ()) -> Iterator[Path]:
    """Yield the declarations below a folder; a link to a missing file too, for it is a mistake."""
    for inner in sorted(folder.glob("*")):
        if inner.name not in without and os.path.lexists(path := inner / name):
            yield path
