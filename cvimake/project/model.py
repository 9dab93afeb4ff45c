"""`model.toml`: one network, and the cvimodels to make of it. Its tables of options are in `options.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from cvimake.project.accuracy import Accuracy
from cvimake.project.declared import Declared, FileName, Fraction, Needs, Positive, Text, example
from cvimake.project.fetch import Fetch
from cvimake.project.names import STAGES, VARIANT_STAGES, unusable_name
from cvimake.project.options import (
    CalibrationOptions,
    DeployOptions,
    ModelInput,
    ModelOutput,
    OnnxOptions,
    QtableOptions,
    Verify,
)
from cvimake.toolchain.tools import MODEL_TRANSFORM, Option


def _file_or_table(value: object) -> str:
    return "<file>" if isinstance(value, str) else "<table>"


QtableSource = Annotated[
    Annotated[QtableOptions, Tag("<table>")] | Annotated[FileName, Tag("<file>")],
    Discriminator(_file_or_table),
]


class Variant(DeployOptions):
    """One cvimodel of a model."""

    qtable: Annotated[QtableSource | None, Needs("quantize", "INT8")] = None
    """Mixed precision: options of the search for the layers that stay float, or a file that lists them."""
    calibration_table: Annotated[
        FileName | None, Needs("quantize", "INT8"), example("my_calibration_table")
    ] = None
    """Your own table of thresholds, instead of a calibration."""


class Budget(Declared):
    """The most that a finished cvimodel may need; more makes the variant's info stage fail."""

    size: Annotated[Positive | None, example(4000000)] = None
    """Bytes of the file."""
    ion_memory: Annotated[Annotated[float, Field(gt=0)] | None, example(15.0)] = None
    """ION memory in MB, as model_tool prints it."""
    milliseconds: Annotated[Annotated[float, Field(gt=0)] | None, example(40.0)] = None
    """Estimated milliseconds on the TPU at 500 MHz, the longer end of the range that is shown."""
    recognised_as: Annotated[Text | None, example("YOLO11")] = None
    """The kind of model that the camera must take it for."""
    accuracy: Annotated[Fraction | None, example(0.5)] = None
    """The least accuracy, by the metric of [accuracy]; less makes the accuracy stage fail."""
    accuracy_drop: Annotated[Fraction | None, example(0.02)] = None
    """The most by which the accuracy may be less than the float network's."""
    agreement: Annotated[Fraction | None, example(0.95)] = None
    """The least agreement with the float network."""
    works_on_camera: bool | None = None
    """If true, the camera must recognise it and decode it correctly."""


class Model(Declared):
    """One `model.toml`."""

    description: Annotated[str, example("A detector of cats")] = ""
    """A line about the model."""
    source: Annotated[FileName, example("yolo11n.onnx")]
    """The network's file, relative to the model's folder."""
    source_from: Annotated[str, example("yolo export model=yolo11n.pt format=onnx opset=17")] = ""
    """How to get the network's file: one or more lines that are shown while the file is missing."""
    weights: Annotated[FileName | None, example("net.caffemodel")] = None
    """The file with the weights of a Caffe network."""
    classes: Annotated[FileName | None, example("classes.txt")] = None
    """A file with the name of one class on each line."""
    onnx_sim: Annotated[Literal["skip_fuse_bn"] | None, Option(MODEL_TRANSFORM)] = None
    """An option of the ONNX simplifier."""
    onnx: OnnxOptions = OnnxOptions()
    input: ModelInput = ModelInput()
    output: ModelOutput = ModelOutput()
    verify: Verify
    calibration: CalibrationOptions = CalibrationOptions()
    deploy: DeployOptions = DeployOptions()
    accuracy: Accuracy = Accuracy()
    budget: Budget = Budget()
    fetch: Fetch | None = None
    """Where its files come from."""
    variant: Annotated[dict[str, Variant], Field(min_length=1)]
    """The cvimodels to make, by name."""

    @model_validator(mode="after")
    def _variant_names(self) -> Model:
        reasons = [reason for name in self.variant if (reason := unusable_name(name, "variant", STAGES))]
        if reasons:
            raise ValueError("; ".join(reasons))
        for name in self.variant:
            if name.endswith(VARIANT_STAGES):
                raise ValueError(
                    f"a variant cannot be called {name!r}: {', '.join(VARIANT_STAGES)} are endings of stages"
                )
        return self
