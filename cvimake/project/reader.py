"""All declarations of a project, read once and together: settings, datasets, models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cvimake.core import toml
from cvimake.core.errors import CvimakeError, DeclarationError
from cvimake.project import feed, rules
from cvimake.project.choices import open_choices
from cvimake.project.dataset import Dataset, DeclaredDataset, Samples, mixed, read_list
from cvimake.project.declared import Declared, unusable_name
from cvimake.project.mistakes import File, did_you_mean, explain
from cvimake.project.model import (
    CalibrationOptions,
    Model,
    ModelInput,
    OnnxOptions,
    QtableOptions,
    Variant,
    merged,
)
from cvimake.project.networks import network_file
from cvimake.project.networks.network_file import Kind
from cvimake.project.settings import Settings

# The reCamera's.
DEFAULT_PROCESSOR = "cv181x"
# What doit itself or cvimake understands as a command or task.
RESERVED_NAMES = frozenset({
    "bench", "clean", "doctor", "dumpdb", "engine", "forget", "frameworks", "graph", "help", "ignore",
    "image", "info", "init", "list", "log", "new", "onnx", "plan", "release", "report", "reset-dep", "run",
    "schema", "store", "strace", "tabcompletion", "test", "toolchain", "view", "why",
    # A model's results lie in build/MODEL, beside these.
    "logs", "toolchain.json", "frameworks.json", "bench.json", "bench.md", "bench.svg", "faults.json",
    *(f"{name}.sqlite{part}" for name in ("doit", "history") for part in ("", "-journal", "-wal", "-shm")),
})  # fmt: skip
_PYPROJECT = Path("pyproject.toml")

Table = TypeVar("Table", bound=Declared)
Sampling = TypeVar("Sampling", CalibrationOptions, QtableOptions)


@dataclass(frozen=True, kw_only=True)
class DeclaredVariant:
    """A variant with all its values: its own, its model's and the project's.

    Attributes:
        processors: each makes a cvimodel of its own.
        test_input: the files that it is checked with; none for no checks.
        qtable: how its qtable is searched for; None where it has none or one of the user's.
    """

    name: str
    options: Variant
    processors: tuple[str, ...]
    test_input: tuple[str, ...]
    qtable: QtableOptions | None
    qtable_samples: Samples | None

    def label(self, processor: str) -> str:
        """What its stage is called: its name, with the processor where there are several."""
        return f"{self.name}_{processor}" if len(self.processors) > 1 else self.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All that is called after it: itself, and its stages where there are several."""
        own = tuple(self.label(processor) for processor in self.processors)
        return own if len(self.processors) == 1 else (self.name, *own)


@dataclass(frozen=True, kw_only=True)
class DeclaredModel:
    """A model with its name, the folder that its paths are relative to, and all values in place.

    Attributes:
        external_data: the files that hold an ONNX source's weights, relative to its folder.
    """

    name: str
    folder: Path
    model: Model
    inputs: ModelInput
    onnx: OnnxOptions
    external_data: tuple[str, ...]
    calibration: CalibrationOptions
    calibration_samples: Samples | None
    tune_samples: Samples | None
    variants: tuple[DeclaredVariant, ...]
    settings: Settings

    @property
    def source(self) -> Path:
        """Where the network's file lies."""
        return self.folder / self.model.source

    @property
    def is_onnx(self) -> bool:
        """Whether the network is an ONNX file."""
        return self.source.suffix == Kind.ONNX.value

    @property
    def takes_frameworks(self) -> bool:
        """Whether it takes PyTorch or TensorFlow to read it."""
        # The front end of Caffe imports PyTorch.
        return not self.is_onnx

    @property
    def missing(self) -> tuple[Path, ...]:
        """Files of the network that are not there: the model waits for them."""
        names = (self.model.source, self.model.weights)
        paths = [self.folder / name for name in names if name]
        paths += [self.source.parent / name for name in self.external_data]
        return tuple(path for path in paths if not path.is_file())


@dataclass(frozen=True, kw_only=True)
class UnusableModel:
    """A model that cannot be built as it is declared.

    Attributes:
        mistakes: each with its file and line.
        choices: the values that are still to be filled in, likewise. Where nothing else is wrong, the model
            waits for them.
    """

    name: str
    mistakes: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """Everything that a project declares, by name.

    Attributes:
        datasets: those without mistakes.
        models: those that can be built, or wait for their sources.
        unusable: all other models.
        mistakes: those in datasets that no model uses.
    """

    settings: Settings
    datasets: Mapping[str, DeclaredDataset]
    models: Mapping[str, DeclaredModel]
    unusable: Mapping[str, UnusableModel]
    mistakes: tuple[str, ...]


def read_declarations(root: Path) -> Declarations:
    """Reads `pyproject.toml`, every `dataset.toml` and every `model.toml` of a project.

    Raises:
        DeclarationError: `pyproject.toml`, which concerns all models, has a mistake. The error names every
            mistake of every file.
    """
    reader = _Reader()
    settings = reader.settings(root / _PYPROJECT)
    of_settings = reader.taken()
    datasets = dict(reader.datasets(root / settings.datasets))
    models: dict[str, DeclaredModel] = {}
    unusable: dict[str, UnusableModel] = {}
    for found in reader.models(root / settings.models, settings, datasets):
        if isinstance(found, UnusableModel):
            unusable[found.name] = found
        else:
            models[found.name] = found
    unused = [
        mistake
        for name, mistakes in reader.wrong_datasets.items()
        for mistake in mistakes
        if name not in reader.used_datasets
    ]
    if of_settings:
        of_models = (mistake for model in unusable.values() for mistake in model.mistakes)
        raise DeclarationError("\n".join(dict.fromkeys([*of_settings, *unused, *of_models])))
    return Declarations(
        settings=settings,
        datasets=datasets,
        models=models,
        unusable=unusable,
        mistakes=tuple(unused),
    )


def read_settings(root: Path) -> Settings:
    """Reads `pyproject.toml` alone.

    Raises:
        DeclarationError: with every mistake in it.
    """
    reader = _Reader()
    settings = reader.settings(root / _PYPROJECT)
    if reader.mistakes:
        raise DeclarationError("\n".join(reader.mistakes))
    return settings


def read_datasets(root: Path) -> tuple[Settings, Mapping[str, DeclaredDataset]]:
    """Reads a project's settings and datasets alone, whatever is wrong with its models.

    Raises:
        DeclarationError: with every mistake of theirs.
    """
    settings = read_settings(root)
    reader = _Reader()
    datasets = dict(reader.datasets(root / settings.datasets))
    if reader.wrong_datasets:
        raise DeclarationError("\n".join(line for lines in reader.wrong_datasets.values() for line in lines))
    return settings, datasets


@dataclass
class _Reader:
    """Reads declarations.

    Attributes:
        mistakes: those in the file that is being read.
        wrong_datasets: the mistakes of each dataset that has some.
        used_datasets: those of them that a model uses.
    """

    mistakes: list[str] = field(default_factory=list)
    wrong_datasets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    used_datasets: set[str] = field(default_factory=set)

    def taken(self) -> tuple[str, ...]:
        """The mistakes in the file that was read, each once: one in [deploy] is found for every variant."""
        mistakes, self.mistakes = tuple(dict.fromkeys(self.mistakes)), []
        return mistakes

    def settings(self, path: Path) -> Settings:
        if not path.exists():
            return Settings()
        try:
            text, values = toml.read(path)
        except DeclarationError as error:
            self.mistakes.append(error.cause)
            return Settings()
        tool = values.get("tool", {})
        table = tool.get("cvimake", {}) if isinstance(tool, dict) else tool
        return self._table(File(path, text, ("tool", "cvimake")), Settings, table) or Settings()

    def datasets(self, folder: Path) -> Iterator[tuple[str, DeclaredDataset]]:
        for path in _declared_in(folder, "dataset.toml"):
            name, table = path.parent.name, None
            if found := self._file(path, "dataset", frozenset()):
                table = self._table(found[0], Dataset, found[1])
            dataset = DeclaredDataset(name=name, folder=path.parent, dataset=table) if table else None
            if found and dataset and not dataset.files_folder.is_dir():
                self.mistakes.append(found[0].mistake(("folder",), f"no folder {dataset.files_folder}"))
            if mistakes := self.taken():
                self.wrong_datasets[name] = mistakes
            elif dataset:
                yield name, dataset

    def models(
        self, folder: Path, settings: Settings, datasets: Mapping[str, DeclaredDataset]
    ) -> Iterator[DeclaredModel | UnusableModel]:
        for path in _declared_in(folder, "model.toml"):
            model, choices = None, {}
            if found := self._file(path, "model", RESERVED_NAMES):
                file, values = found
                choices = open_choices(file, values, datasets)
                if table := self._table(file, Model, values):
                    model = self._model(file, table, settings, datasets)
            # A value that is still to be chosen is no mistake of its own.
            mistakes = [mistake for mistake in self.taken() if not mistake.startswith(tuple(choices))]
            if model and not mistakes and not choices:
                yield model
            else:
                yield UnusableModel(
                    name=path.parent.name,
                    mistakes=tuple(mistakes),
                    choices=tuple(f"{place}{what}" for place, what in choices.items()),
                )

    def _file(self, path: Path, kind: str, reserved: frozenset[str]) -> tuple[File, dict[str, Any]] | None:
        if reason := unusable_name(path.parent.name, kind, reserved):
            self.mistakes.append(f"{path.parent}: {reason}")
        try:
            text, values = toml.read(path)
        except DeclarationError as error:
            self.mistakes.append(error.cause)
            return None
        return File(path, text), values

    def _table(self, file: File, model: type[Table], values: object) -> Table | None:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            self.mistakes.extend(explain(file, model, error))
            return None

    def _model(
        self, file: File, model: Model, settings: Settings, datasets: Mapping[str, DeclaredDataset]
    ) -> DeclaredModel:
        folder = file.path.parent
        inputs = ModelInput(**merged(settings.input, model.input))
        calibration = _with_own_samples(settings.calibration, model.calibration)
        tested_with = as_files(model.verify.input)
        self.mistakes += [
            file.mistake(("input", key), what)
            for key, what in rules.input_faults(inputs, model.source, tested_with)
        ]
        self.mistakes += [file.mistake((key,), what) for key, what in rules.source_faults(model)]
        self.mistakes += [file.mistake(("output", key), what) for key, what in rules.output_faults(model)]
        source = folder / model.source
        # The others are looked at when they are built; this one is mostly meant to be another file.
        if source.suffix == Kind.TORCHSCRIPT.value and source.is_file():
            try:
                network_file.check(source)
            except CvimakeError as error:
                self.mistakes.append(file.mistake(("source",), str(error)))
        samples = self._samples(file, ("calibration",), calibration, datasets)
        self.mistakes += [
            file.mistake(("verify", "input"), what) for what in rules.test_input_faults(tested_with)
        ]
        tune = None
        if calibration.tune_list:
            tune = self._list(file, ("calibration", "tune_list"), calibration.tune_list)
        variants = tuple(
            self._variant(file, name, model, inputs, settings, datasets, samples) for name in model.variant
        )
        labels = [label for variant in variants for label in variant.labels]
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            self.mistakes.append(file.mistake(("variant",), f"two of them would be called {label}"))
        if any(rules.needs_calibration(variant.options) for variant in variants) and samples is None:
            known = f" Datasets here: {', '.join(datasets)}." if datasets else ""
            what = f"is missing: INT8 needs samples to calibrate with. Say dataset or data_list.{known}"
            if not rules.has_samples(calibration):
                self.mistakes.append(file.mistake(("calibration",), what))
        if inputs.channel_format == "none" and samples and "image" in samples.kinds:
            what = 'is of images, and channel_format = "none" says that the inputs are none'
            self.mistakes.append(file.mistake(("calibration",), what))
        return DeclaredModel(
            name=folder.name,
            folder=folder,
            model=model,
            inputs=inputs,
            onnx=OnnxOptions(**merged(settings.onnx, model.onnx)),
            external_data=_external_data(folder / model.source, model),
            calibration=calibration,
            calibration_samples=samples,
            tune_samples=tune,
            variants=variants,
            settings=settings,
        )

    def _variant(  # noqa: PLR0913, PLR0917 - all of a model's context
        self,
        file: File,
        name: str,
        model: Model,
        inputs: ModelInput,
        settings: Settings,
        datasets: Mapping[str, DeclaredDataset],
        calibration_samples: Samples | None,
    ) -> DeclaredVariant:
        own = model.variant[name]
        options = Variant(**merged(settings.deploy, model.deploy, own))
        test_input = as_files(model.verify.input if options.test_input is None else options.test_input)
        found = list(rules.variant_faults(inputs, options, test_input))
        if model.budget.works_on_camera:
            blamed = {key for key, _ in found}
            found += [
                (fault.key, f"{fault.reason}. To keep works_on_camera, {fault.remedy}")
                for fault in feed.faults(inputs, options)
                if fault.key not in blamed
            ]
        for key, what in found:
            # Where it was said: in the variant itself or for all of them.
            table = (
                ("deploy",) if key not in own.given() and key in model.deploy.given() else ("variant", name)
            )
            self.mistakes.append(file.mistake((*table, key), what))
        qtable, samples = None, None
        if isinstance(options.qtable, QtableOptions):
            qtable = _with_own_samples(settings.qtable, options.qtable)
            samples = self._samples(file, ("variant", name, "qtable"), qtable, datasets)
            samples = samples or calibration_samples
            self.mistakes += [
                file.mistake(("variant", name, "qtable", "global_compare_layers"), what)
                for what in rules.comparison_faults(qtable.global_compare_layers or [])
            ]
            if samples is None and not rules.has_samples(qtable):
                what = "has no samples to search with. Say dataset or data_list, here or in [calibration]"
                self.mistakes.append(file.mistake(("variant", name, "qtable"), what))
        if own.test_input is not None:
            place = ("variant", name, "test_input")
            self.mistakes += [file.mistake(place, what) for what in rules.test_input_faults(test_input)]
        processors = as_files(options.processor or DEFAULT_PROCESSOR)
        if len(set(processors)) < len(processors):
            self.mistakes.append(file.mistake(("variant", name, "processor"), "one stands there twice"))
            processors = tuple(dict.fromkeys(processors))
        return DeclaredVariant(
            name=name,
            options=options,
            processors=processors,
            test_input=test_input,
            qtable=qtable,
            qtable_samples=samples,
        )

    def _samples(
        self,
        file: File,
        key: tuple[str, ...],
        options: CalibrationOptions | QtableOptions,
        datasets: Mapping[str, DeclaredDataset],
    ) -> Samples | None:
        if options.data_list:
            return self._list(file, (*key, "data_list"), options.data_list)
        if not options.dataset:
            return None
        key = (*key, "dataset")
        if mistakes := self.wrong_datasets.get(options.dataset):
            self.used_datasets.add(options.dataset)
            self.mistakes += mistakes
            return None
        dataset = datasets.get(options.dataset)
        if dataset is None:
            hint = (
                did_you_mean(options.dataset, datasets)
                or "; there is no folder of that name with a dataset.toml"
            )
            self.mistakes.append(file.mistake(key, f"no dataset {options.dataset!r}{hint}"))
            return None
        try:
            return self._checked(file, key, dataset.samples)
        except (OSError, ValueError) as error:
            self.mistakes.append(file.mistake(key, f"dataset {dataset.name}: {error}"))
            return None

    def _list(self, file: File, key: tuple[str, ...], name: str) -> Samples | None:
        path = file.path.parent / name
        try:
            return self._checked(file, key, read_list(path, path.parent))
        except (OSError, ValueError) as error:
            self.mistakes.append(file.mistake(key, str(error)))
            return None

    def _checked(self, file: File, key: tuple[str, ...], samples: Samples) -> Samples:
        if not samples.files:
            self.mistakes.append(file.mistake(key, "it holds no samples (images, npz or npy)"))
        if reason := mixed(samples.kinds):
            self.mistakes.append(file.mistake(key, reason))
        return samples


def _declared_in(folder: Path, name: str) -> list[Path]:
    """The declarations below a folder, also those that are links to nothing: they are mistakes."""
    return [path for inner in sorted(folder.glob("*")) if os.path.lexists(path := inner / name)]


def _with_own_samples(common: Sampling, own: Sampling) -> Sampling:
    """Both tables as one; an own choice of samples replaces the common one, of whichever kind it is."""
    values = merged(common, own)
    if own.data_list:
        values.pop("dataset", None)
    elif own.dataset:
        values.pop("data_list", None)
    return type(own)(**values)


def _external_data(source: Path, model: Model) -> tuple[str, ...]:
    """The files with an ONNX source's weights: the declared ones, else those that exporters write."""
    if model.onnx.external_data is not None:
        return tuple(model.onnx.external_data)
    if source.suffix != ".onnx":
        return ()
    usual = (f"{source.name}.data", f"{source.name}_data")
    return tuple(name for name in usual if (source.parent / name).is_file())


def as_files(value: str | Sequence[str]) -> tuple[str, ...]:
    """One or more files, as they can be declared."""
    return (value,) if isinstance(value, str) else tuple(value)
