"""Completes a `model.toml`: puts the project's values where it has none of its own, and checks the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cvimake.core.errors import CvimakeError
from cvimake.project import accuracy_images, camera_picture, fetch, rules, sampling
from cvimake.project.accuracy import DeclaredAccuracy
from cvimake.project.accuracy_images import MeasuredModel
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel, DeclaredVariant, as_files
from cvimake.project.declared import merged
from cvimake.project.lines import Key
from cvimake.project.mistakes import File
from cvimake.project.model import Model, Variant
from cvimake.project.networks import network_file
from cvimake.project.networks.network_file import Kind
from cvimake.project.options import ModelInput, OnnxOptions, QtableOptions
from cvimake.project.sampling import Datasets
from cvimake.project.settings import Settings

# The reCamera's.
DEFAULT_PROCESSOR = "cv181x"


def complete(
    file: File, model: Model, settings: Settings, datasets: Datasets
) -> tuple[DeclaredModel, tuple[str, ...]]:
    """Return the model with all values in place, and its mistakes, each once and with file and line."""
    completion = _Completion(file, model, settings, datasets)
    declared = completion.model()
    # A mistake in [deploy] is found for every variant.
    return declared, tuple(dict.fromkeys(completion.mistakes))


class _Completion:
    """Completes one model; `mistakes` grows meanwhile."""

    def __init__(self, file: File, model: Model, settings: Settings, datasets: Datasets) -> None:
        self.mistakes: list[str] = []
        self._file, self._model, self._settings, self._datasets = file, model, settings, datasets
        self._inputs = ModelInput(**merged(settings.input, model.input))
        self._calibration = sampling.with_own_samples(settings.calibration, model.calibration)
        self._source = file.path.parent / model.source
        self._kind: Kind | None = None
        # The files that are still to be fetched. The model waits for them.
        self._awaited = fetch.missing(model.fetch, file.path.parent) if model.fetch else ()

    def model(self) -> DeclaredModel:
        file, model, settings, calibration = self._file, self._model, self._settings, self._calibration
        folder = file.path.parent
        self._check_tables()
        samples, mistakes = sampling.find(file, ("calibration",), calibration, self._datasets, self._awaited)
        self.mistakes += mistakes
        tested_with = as_files(model.verify.input)
        self._blame(("verify", "input"), rules.test_input_faults(tested_with))
        tune = None
        if calibration.tune_list:
            tune, mistakes = sampling.read(
                file, ("calibration", "tune_list"), calibration.tune_list, self._awaited
            )
            self.mistakes += mistakes
        variants = tuple(self._variant(name, samples) for name in model.variant)
        self._check_labels(variants)
        needs_samples = any(rules.needs_calibration(variant.options) for variant in variants)
        if needs_samples and not rules.has_samples(calibration):
            known = f" Datasets here: {', '.join(self._datasets.right)}." if self._datasets.right else ""
            what = f"is missing: INT8 needs samples to calibrate with. Declare dataset or data_list.{known}"
            self._blame(("calibration",), [what])
        if self._inputs.channel_format == "none" and samples and "image" in samples.kinds:
            what = 'has images, but channel_format = "none" says that the inputs are not images'
            self._blame(("calibration",), [what])
        return DeclaredModel(
            name=folder.name,
            folder=folder,
            model=model,
            inputs=self._inputs,
            onnx=OnnxOptions(**merged(settings.onnx, model.onnx)),
            is_checkpoint=self._kind is Kind.CHECKPOINT,
            external_data=_external_data(self._source, model),
            calibration=calibration,
            calibration_samples=samples,
            tune_samples=tune,
            accuracy=self._accuracy(samples, variants),
            variants=variants,
            settings=settings,
        )

    def _blame(self, key: Key, reasons: list[str] | Iterator[str]) -> None:
        self.mistakes += [self._file.mistake(key, reason) for reason in reasons]

    def _check_tables(self) -> None:
        model, source = self._model, self._source
        tested_with = as_files(model.verify.input)
        # A .pt is often another file than a TorchScript network; other files are checked when they are built.
        if source.suffix == Kind.TORCHSCRIPT.value and source.is_file():
            try:
                self._kind = network_file.check(source)
            except CvimakeError as error:
                self._blame(("source",), [str(error)])
        for key, what in rules.input_faults(self._inputs, model.source, tested_with, self._kind):
            self._blame(("input", key), [what])
        for key, what in rules.source_faults(model, self._kind):
            self._blame((key,), [what])
        for key, what in rules.output_faults(model, self._kind):
            self._blame(("output", key), [what])
        for where, what in fetch.faults(model.fetch) if model.fetch else ():
            self._blame(("fetch", *where), [what])

    def _check_labels(self, variants: tuple[DeclaredVariant, ...]) -> None:
        labels = [label for variant in variants for label in variant.labels]
        for label in sorted({label for label in labels if labels.count(label) > 1}):
            self._blame(("variant",), [f"two variants, or stages of them, would be called {label}"])

    def _variant(self, name: str, calibration_samples: Samples | None) -> DeclaredVariant:
        model, own = self._model, self._model.variant[name]
        options = Variant(**merged(self._settings.deploy, model.deploy, own))
        test_input = as_files(model.verify.input if options.test_input is None else options.test_input)
        for key, what in self._variant_faults(options, test_input):
            # Point at the table that holds the value: the variant's own or the one of all variants.
            common = key not in own.given() and key in model.deploy.given()
            self._blame((*(("deploy",) if common else ("variant", name)), key), [what])
        qtable, samples = None, None
        if isinstance(options.qtable, QtableOptions):
            qtable = sampling.with_own_samples(self._settings.qtable, options.qtable)
            samples = self._search_samples(name, qtable, calibration_samples)
        if own.test_input is not None:
            self._blame(("variant", name, "test_input"), rules.test_input_faults(test_input))
        processors = as_files(options.processor or DEFAULT_PROCESSOR)
        if len(set(processors)) < len(processors):
            self._blame(("variant", name, "processor"), ["a processor is listed twice"])
            processors = tuple(dict.fromkeys(processors))
        return DeclaredVariant(
            name=name,
            options=options,
            processors=processors,
            test_input=test_input,
            qtable=qtable,
            qtable_samples=samples,
        )

    def _variant_faults(self, options: Variant, test_input: tuple[str, ...]) -> list[rules.Fault]:
        found = list(rules.variant_faults(self._inputs, options, test_input))
        if self._model.budget.works_on_camera:
            blamed = {key for key, _ in found}
            found += [
                (fault.key, f"{fault.reason}. To keep works_on_camera, {fault.remedy}")
                for fault in camera_picture.faults(self._inputs, options)
                if fault.key not in blamed
            ]
        return found

    def _accuracy(
        self, calibration: Samples | None, variants: tuple[DeclaredVariant, ...]
    ) -> DeclaredAccuracy | None:
        model, folder = self._model, self._file.path.parent
        found, mistakes = accuracy_images.find(
            self._file,
            model.accuracy,
            MeasuredModel(
                inputs=self._inputs,
                source=self._source,
                classes=folder / model.classes if model.classes else None,
                variants=variants,
                outputs=tuple(model.output.names or ()),
                calibration=calibration,
                budget=model.budget,
            ),
            self._datasets,
        )
        self.mistakes += mistakes
        return found

    def _search_samples(
        self, name: str, qtable: QtableOptions, calibration_samples: Samples | None
    ) -> Samples | None:
        key = ("variant", name, "qtable")
        own, mistakes = sampling.find(self._file, key, qtable, self._datasets, self._awaited)
        self.mistakes += mistakes
        compared = rules.comparison_faults(qtable.global_compare_layers or [])
        self._blame((*key, "global_compare_layers"), compared)
        samples = own or calibration_samples
        # Declared samples that are wrong, or still to be fetched, are told already.
        if not rules.has_samples(qtable) and not rules.has_samples(self._calibration):
            what = "has no samples to search with. Declare dataset or data_list, here or in [calibration]"
            self._blame(key, [what])
        return samples


def _external_data(source: Path, model: Model) -> tuple[str, ...]:
    """Return the files with an ONNX source's weights: the declared ones, else those that exporters write."""
    if model.onnx.external_data is not None:
        return tuple(model.onnx.external_data)
    if source.suffix != Kind.ONNX.value:
        return ()
    usual = (f"{source.name}.data", f"{source.name}_data")
    return tuple(name for name in usual if (source.parent / name).is_file())
