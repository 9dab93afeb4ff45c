"""A project's declarations as values: every table of every file, merged and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvimake.core.paths import exported
from cvimake.project.accuracy import DeclaredAccuracy
from cvimake.project.dataset import DeclaredDataset, Samples
from cvimake.project.model import Model, Variant
from cvimake.project.networks.network_file import Kind
from cvimake.project.options import CalibrationOptions, ModelInput, OnnxOptions, QtableOptions
from cvimake.project.settings import Settings


@dataclass(frozen=True, kw_only=True)
class DeclaredVariant:
    """A variant with all its values: its own, its model's and the project's.

    Attributes:
        processors: one cvimodel is made for each.
        test_input: the files to check the cvimodels with; empty for no checks.
        qtable: options of the search for a qtable; None if there is no search.
        qtable_samples: the samples to search with; None if there is no search.
    """

    name: str
    options: Variant
    processors: tuple[str, ...]
    test_input: tuple[str, ...]
    qtable: QtableOptions | None
    qtable_samples: Samples | None

    def label(self, processor: str) -> str:
        """Return the stage's name: the variant's, with the processor if there are several."""
        return f"{self.name}_{processor}" if len(self.processors) > 1 else self.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the variant's stages; also the variant's own name if there are several."""
        own = tuple(self.label(processor) for processor in self.processors)
        return own if len(self.processors) == 1 else (self.name, *own)


@dataclass(frozen=True, kw_only=True)
class DeclaredModel:
    """A model with all its values: its own and the project's.

    Attributes:
        name: the name of its folder.
        folder: the folder of its `model.toml`; paths in it are relative to the folder.
        is_checkpoint: whether the source is a checkpoint, which is exported to ONNX first.
        external_data: files with an ONNX source's weights, relative to the source's folder.
        calibration_samples: the samples to calibrate with; None if none are declared.
        tune_samples: the samples to tune thresholds with; None if none are declared.
        accuracy: the images that accuracy is measured on; None if none are declared.
    """

    name: str
    folder: Path
    model: Model
    inputs: ModelInput
    onnx: OnnxOptions
    is_checkpoint: bool = False
    external_data: tuple[str, ...]
    calibration: CalibrationOptions
    calibration_samples: Samples | None
    tune_samples: Samples | None
    accuracy: DeclaredAccuracy | None
    variants: tuple[DeclaredVariant, ...]
    settings: Settings

    @property
    def source(self) -> Path:
        """The network's file."""
        return self.folder / self.model.source

    @property
    def network(self) -> Path:
        """The file that the build converts: the source, or the ONNX file that a checkpoint is exported to."""
        return exported(self.name) if self.is_checkpoint else self.source

    @property
    def is_onnx(self) -> bool:
        """True if the network is an ONNX file."""
        return self.network.suffix == Kind.ONNX.value

    @property
    def takes_frameworks(self) -> bool:
        """True if only the image with PyTorch and TensorFlow can read the network."""
        # tpu_mlir's reader of Caffe networks imports PyTorch.
        return not self.is_onnx

    @property
    def missing(self) -> tuple[Path, ...]:
        """The files of the network that are not there; the model waits for them."""
        names = (self.model.source, self.model.weights)
        paths = [self.folder / name for name in names if name]
        paths += [self.source.parent / name for name in self.external_data]
        return tuple(path for path in paths if not path.is_file())


@dataclass(frozen=True, kw_only=True)
class UnusableModel:
    """A model that cannot be built as it is declared.

    Attributes:
        mistakes: each with its file and line.
        choices: the values that are still to be filled in, each with its file and line. If there are no
            mistakes, the model waits for them.
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


def as_files(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return one declared value, or a list of them, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)
