"""`[tool.cvimake]` in `pyproject.toml`: what is common to all models of a project."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cvimake.spec.declared import Declared, Text
from cvimake.spec.model import CalibrationOptions, DeployOptions, ModelInput, OnnxTarget, QtableOptions


class StageLimits(Declared):
    """What a step may use at most. They change nothing of what it computes."""

    memory: Annotated[float, Field(gt=0)] = 8.0
    """GiB, swap included."""
    hours: Annotated[float, Field(gt=0)] = 2.0
    """Running time."""


class Settings(Declared):
    """Values that hold for every model that does not say otherwise."""

    models: Text = "models"
    """The folder with one folder for each model."""
    datasets: Text = "datasets"
    """The folder with one folder for each dataset."""
    onnx: OnnxTarget = OnnxTarget()
    input: ModelInput = ModelInput()
    calibration: CalibrationOptions = CalibrationOptions()
    qtable: QtableOptions = QtableOptions()
    deploy: DeployOptions = DeployOptions()
    limits: StageLimits = StageLimits()
