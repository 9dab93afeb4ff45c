"""Checks that the files that a declaration names are there, and as many samples as it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cvimake.core.plain_path import plain
from cvimake.project import rules
from cvimake.project.declarations import DeclaredModel
from cvimake.project.lines import Key
from cvimake.project.mistakes import File
from cvimake.project.model import Model
from cvimake.project.options import DeployOptions, QtableOptions


def mistakes(model: DeclaredModel, generated: Path) -> tuple[str, ...]:
    """Return a mistake for everything that is declared but missing, each with its file and line.

    Args:
        model: the declared model.
        generated: the folder of results; a file in it may still be made by a task.
    """
    found = [*_missing_files(model, generated), *_missing_samples(model)]
    if not found:
        return ()
    path = model.folder / "model.toml"
    file = File(path, path.read_text(encoding="utf-8"))
    return tuple(dict.fromkeys(file.mistake(key, what) for key, what in found))


def _missing_files(model: DeclaredModel, generated: Path) -> Iterator[tuple[Key, str]]:
    for key, name in named(model.model):
        path = model.folder / name
        if not path.is_file() and not path.resolve().is_relative_to(generated.resolve()):
            yield key, f"no file {plain(path)}"


def _missing_samples(model: DeclaredModel) -> Iterator[tuple[Key, str]]:
    # A number in the settings for all models is a maximum, which no dataset has to reach.
    wanted, samples = model.model.calibration.input_num, model.calibration_samples
    for what in rules.count_faults(wanted, samples.count if samples else None):
        yield ("calibration", "input_num"), what
    for variant in model.variants:
        own, samples = variant.options.qtable, variant.qtable_samples
        if isinstance(own, QtableOptions) and samples:
            for what in rules.count_faults(own.input_num, samples.count):
                yield ("variant", variant.name, "qtable", "input_num"), what


def named(model: Model) -> Iterator[tuple[Key, str]]:
    """Yield every file that a declaration names, except the network and the samples."""
    yield from ((("verify", "input"), name) for name in _listed(model.verify.input))
    if model.classes:
        yield ("classes",), model.classes
    if model.accuracy.decoder:
        yield ("accuracy", "decoder"), model.accuracy.decoder.rpartition(":")[0]
    yield from _of_deployment(("deploy",), model.deploy)
    for name, variant in model.variant.items():
        key = ("variant", name)
        yield from _of_deployment(key, variant)
        if variant.calibration_table:
            yield (*key, "calibration_table"), variant.calibration_table
        if isinstance(variant.qtable, str):
            yield (*key, "qtable"), variant.qtable


def _of_deployment(key: Key, options: DeployOptions) -> Iterator[tuple[Key, str]]:
    yield from (((*key, "test_input"), name) for name in _listed(options.test_input or []))
    if options.test_reference:
        yield (*key, "test_reference"), options.test_reference


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names
