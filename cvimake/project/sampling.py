"""The samples that a calibration or a search takes: a dataset or a list, found and checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cvimake.project.dataset import DeclaredDataset, Samples, mixed, read_list
from cvimake.project.declared import merged
from cvimake.project.mistakes import File, did_you_mean
from cvimake.project.options import CalibrationOptions, QtableOptions

Sampling = TypeVar("Sampling", CalibrationOptions, QtableOptions)
Key = tuple[str, ...]


@dataclass(frozen=True)
class Datasets:
    """The datasets of a project.

    Attributes:
        right: those without mistakes, by name.
        wrong: the mistakes of all others, by the dataset's name.
        root: the project's folder.
    """

    right: Mapping[str, DeclaredDataset]
    wrong: Mapping[str, tuple[str, ...]]
    root: Path


def with_own_samples(common: Sampling, own: Sampling) -> Sampling:
    """Merge two tables; a dataset or list in the own one replaces whichever of them the common one has."""
    values = merged(common, own)
    if own.data_list:
        values.pop("dataset", None)
    elif own.dataset:
        values.pop("data_list", None)
    return type(own)(**values)


def find(
    file: File,
    key: Key,
    options: CalibrationOptions | QtableOptions,
    datasets: Datasets,
    awaited: Container[str] = (),
) -> tuple[Samples | None, list[str]]:
    """Return the samples of a table and the mistakes in them; None if it names none, or they cannot be read.

    Args:
        file: the declaration, for the place of a mistake.
        key: the table in it.
        options: the table's values, merged with the project's.
        datasets: all that there are.
        awaited: the files beside the declaration that are still to be fetched.
    """
    if options.data_list:
        return read(file, (*key, "data_list"), options.data_list, awaited)
    return named(file, key, options.dataset, datasets) if options.dataset else (None, [])


def named(file: File, key: Key, name: str, datasets: Datasets) -> tuple[Samples | None, list[str]]:
    """Return the samples of the dataset that a table names, as `find` does."""
    key = (*key, "dataset")
    if mistakes := datasets.wrong.get(name):
        return None, list(mistakes)
    dataset = datasets.right.get(name)
    if dataset is None:
        hint = did_you_mean(name, datasets.right) or "; there is no folder of that name with a dataset.toml"
        return None, [file.mistake(key, f"no dataset {name!r}{hint}")]
    if dataset.missing:
        # The model waits for them. Until then there are fewer samples than declared.
        return None, []
    return _checked(file, key, lambda: dataset.samples, f"dataset {dataset.name}: ")


def read(file: File, key: Key, name: str, awaited: Container[str] = ()) -> tuple[Samples | None, list[str]]:
    """Return the samples of a list beside a declaration, None if it is awaited, and the mistakes in them."""
    if os.path.normpath(name) in awaited:
        return None, []
    path = file.path.parent / name
    return _checked(file, key, lambda: read_list(path, path.parent))


def _checked(
    file: File, key: Key, samples_of: Callable[[], Samples], prefix: str = ""
) -> tuple[Samples | None, list[str]]:
    try:
        samples = samples_of()
    except OSError as error:
        return None, [file.mistake(key, f"{prefix}{error.filename} cannot be read: {error.strerror}")]
    except ValueError as error:
        return None, [file.mistake(key, f"{prefix}{error}")]
    reasons = [] if samples.files else ["has no samples (images, npz or npy)"]
    if reason := mixed(samples.kinds):
        reasons.append(reason)
    return samples, [file.mistake(key, reason) for reason in reasons]
