"""Named checks: what `builder/` checks on the host before a stage's tool runs. Nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvimake.pipeline.checks.sample_fit import Purpose
from cvimake.project.dataset import Samples
from cvimake.project.declarations import DeclaredModel, DeclaredVariant


@dataclass(frozen=True, kw_only=True)
class NetworkCheck:
    """Refuse a network that does not fit its declaration, and samples that do not fit the network."""

    model: DeclaredModel


@dataclass(frozen=True, kw_only=True)
class CheckpointCheck:
    """Refuse a source that is no checkpoint of Ultralytics any more."""

    model: DeclaredModel


@dataclass(frozen=True, kw_only=True)
class DoubtsCheck:
    """Warn about values of [input] that are most likely wrong."""

    model: DeclaredModel


@dataclass(frozen=True, kw_only=True)
class OperatorsCheck:
    """Refuse an ONNX network with operators that the toolchain cannot read.

    Attributes:
        network: the converted network, because the conversion replaces newer operators.
        outputs: the tensors that it ends in; empty for its own outputs.
    """

    network: Path
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SamplesCheck:
    """Refuse images and arrays that cannot be read, or do not fit the network's inputs.

    Attributes:
        purpose: the tool that reads the samples.
    """

    model: DeclaredModel
    purpose: Purpose
    samples: Samples


@dataclass(frozen=True, kw_only=True)
class TablesCheck:
    """Refuse tables of the user's that were made for another network.

    Attributes:
        variant: the variant that declares the tables.
        mlir: the network that the tables have to fit.
    """

    model: DeclaredModel
    variant: DeclaredVariant
    mlir: Path


@dataclass(frozen=True, kw_only=True)
class AccuracyNotes:
    """Tell what makes figures of accuracy uncertain, and what labels have that is no mistake."""

    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OverlapCheck:
    """Refuse to measure on samples that the network is calibrated with.

    Attributes:
        declared: the place of the declaration that allows it.
    """

    declared: str
    calibration: Samples
    measured: Samples


Check = (
    NetworkCheck
    | CheckpointCheck
    | DoubtsCheck
    | OperatorsCheck
    | SamplesCheck
    | TablesCheck
    | AccuracyNotes
    | OverlapCheck
)
