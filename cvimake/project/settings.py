"""`[tool.cvimake]` in `pyproject.toml`: values for all models of a project."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cvimake.project.declared import Declared, FileName, example
from cvimake.project.options import CalibrationOptions, DeployOptions, ModelInput, OnnxTarget, QtableOptions


class StageLimits(Declared):
    """The most that a stage may use. These limits do not change its results."""

    memory: Annotated[float, Field(gt=0, le=1_000_000, examples=[8.0])] = 8.0
    """GiB, swap included."""
    hours: Annotated[float, Field(gt=0, le=100_000, examples=[2.0])] = 2.0
    """Running time."""
    workspace: Annotated[float, Field(gt=0, le=1_000_000, examples=[32.0])] = 32.0
    """GiB of the files that its tool writes."""
    file_count: Annotated[int, Field(gt=0, le=1_000_000_000, examples=[100000])] = 100_000
    """How many files and folders its tool may write."""


class StoreOptions(Declared):
    """The store, which keeps results for all projects and machines that share it."""

    url: Annotated[str, example("../store")] = ""
    """A folder, a URL that fsspec knows, or `none`; empty for a folder in the user's cache."""
    read_only: bool = False
    """Take results from the store, but put none into it."""
    limit: Annotated[float, Field(gt=0, examples=[20.0])] = 20.0
    """GiB that the store may hold; the entries that were not used for the longest time are removed first."""


class ClusterOptions(Declared):
    """The cluster that runs the stages."""

    url: Annotated[str, example("tls://scheduler:8786")] = ""
    """The address of its scheduler; empty to run the stages on this machine."""
    compare: Annotated[float, Field(ge=0, le=1, examples=[0.05])] = 0.0
    """The share of the stages that run on two workers, whose files are then compared."""


class Settings(Declared):
    """Values for every model that does not declare its own."""

    models: Annotated[FileName, example("models")] = "models"
    """The folder with one folder for each model."""
    datasets: Annotated[FileName, example("datasets")] = "datasets"
    """The folder with one folder for each dataset."""
    onnx: OnnxTarget = OnnxTarget()
    input: ModelInput = ModelInput()
    calibration: CalibrationOptions = CalibrationOptions()
    qtable: QtableOptions = QtableOptions()
    deploy: DeployOptions = DeployOptions()
    limits: StageLimits = StageLimits()
    store: StoreOptions = StoreOptions()
    cluster: ClusterOptions = ClusterOptions()
