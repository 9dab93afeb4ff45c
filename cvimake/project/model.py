"""`model.toml`: one network, how its inputs look, and the cvimodels to make of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from cvimake.project.declared import (
    AnyNumber,
    Count,
    Declared,
    FileName,
    Listed,
    OneOrMany,
    Positive,
    Similarities,
    Text,
)
from cvimake.project.names import STAGES, VARIANT_STAGES, unusable_name

Processor = Literal["cv180x", "cv181x", "cv182x", "cv183x"]
Quantize = Literal["F16", "BF16", "INT8"]
RAW = frozenset({"gbrg", "grbg", "bggr", "rggb"})
PixelFormat = Literal["rgb", "bgr", "gray", "rgba", "gbrg", "grbg", "bggr", "rggb"]
CustomizationFormat = Literal[
    "RGB_PLANAR", "RGB_PACKED", "BGR_PLANAR", "BGR_PACKED", "GRAYSCALE", "YUV420_PLANAR", "YUV_NV21",
    "YUV_NV12", "RGBA_PLANAR", "GBRG_RAW", "GRBG_RAW", "BGGR_RAW", "RGGB_RAW",
]  # fmt: skip
Shape = Annotated[list[Positive], Field(min_length=1)]
Files = OneOrMany[FileName]


class ModelInput(Declared):
    """How the network's inputs look, and how an image becomes one."""

    shapes: Annotated[list[Shape], Field(min_length=1)] | None = None
    """One shape for each input, batch first; without it the network's own (tool: input_shapes)."""
    types: list[Literal["float32", "int32", "int64", "float16", "int8", "uint8"]] | None = None
    """One type for each input of a TorchScript network (tool: input_types)."""
    resize_dims: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = None
    """Height and width that an image is resized to before the crop to the input."""
    keep_aspect_ratio: bool = False
    """Pad an image to the input's shape instead of stretching it."""
    keep_ratio_mode: Literal["letterbox", "short_side_scale"] | None = None
    """How the aspect ratio is kept."""
    mean: list[float] | None = None
    """One for each channel, subtracted from the pixel values 0..255."""
    scale: list[float] | None = None
    """One for each channel, multiplied after the mean is subtracted."""
    pixel_format: PixelFormat | None = None
    """The channels that the network was trained with; without it the tool's bgr."""
    channel_format: Literal["nhwc", "nchw", "none"] | None = None
    """Where the channels are; none for an input that is not an image."""
    pad_value: Annotated[int, Field(ge=0, le=255)] | None = None
    """What an image is padded with."""
    pad_type: Literal["normal", "center"] | None = None
    """Where an image is padded: all around, or right and below."""
    preprocess_list: list[Positive] | None = None
    """Which inputs are images, counted from 1; without it all."""


class ModelOutput(Declared):
    """Which tensors the network ends in."""

    names: Annotated[tuple[Listed, ...], Strict(strict=False)] = ()
    """Tensors of the source, in the order of the cvimodel's outputs; empty for its own outputs.

    Tool: output_names."""
    relative_boxes: bool = False
    """Boxes in fractions of the input instead of pixels: the form that the camera sees of a YOLOv5."""
    add_postprocess: Literal["yolov3", "yolov5", "yolov8", "ssd", "bnr"] | None = None
    """A post-processing that the tool appends; bnr is for other processors."""

    @model_validator(mode="after")
    def _postprocess(self) -> ModelOutput:
        if self.add_postprocess == "bnr":
            raise ValueError(
                'add_postprocess = "bnr" is for raw images, which these processors do not compute'
            )
        return self


class Verify(Declared):
    """What the transformed network and the variants are checked with."""

    input: Files
    """An image, npz or npy relative to the model's folder, or one for each input (tool: test_input)."""
    tolerance: Similarities | None = None
    """Least cosine and Euclidean similarity of every layer to the source's."""
    excepts: list[Listed] | None = None
    """Layers that are not compared."""


class CalibrationOptions(Declared):
    """What the thresholds of INT8 are found with."""

    dataset: Text | None = None
    """A dataset's name."""
    data_list: FileName | None = None
    """A file with one sample a line, relative to the model's folder; its entries are relative to it."""
    input_num: Count | None = None
    """How many samples are taken; without it all."""
    tune_num: Count | None = None
    """How many samples the thresholds are tuned with."""
    tune_list: FileName | None = None
    """A file with the samples to tune with, as data_list."""
    histogram_bin_num: Positive | None = None
    """Bins of the histograms that the thresholds are found in."""
    debug_cmd: Text | None = None
    """The tool's own switches, such as use_percentile9999."""

    @model_validator(mode="after")
    def _one_source(self) -> CalibrationOptions:
        if self.dataset and self.data_list:
            raise ValueError("dataset and data_list exclude each other")
        return self


class QtableOptions(Declared):
    """How the layers that stay float are searched for."""

    dataset: Text | None = None
    """A dataset's name; without it the calibration's samples."""
    data_list: FileName | None = None
    """A file with one sample a line, as for the calibration."""
    input_num: Positive | None = None
    """How many samples are taken."""
    fp_type: Literal["auto", "BF16"] | None = None
    """The float type of the layers that stay float."""
    expected_cos: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """The search ends when the outputs are so similar to the float network's."""
    min_layer_cos: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Layers less similar than this are tried as float."""
    global_compare_layers: list[Listed] | None = None
    """The layers to compare instead of the outputs, as 'name' or 'name:weight'."""
    debug_cmd: Text | None = None
    """The tool's own switches."""
    require_expected_cos: bool = False
    """Fail where the search gives up, instead of warning."""

    @model_validator(mode="after")
    def _one_source(self) -> QtableOptions:
        if self.dataset and self.data_list:
            raise ValueError("dataset and data_list exclude each other")
        return self


class DeployOptions(Declared):
    """How a cvimodel is made. `[deploy]` holds for every variant that does not say otherwise."""

    processor: OneOrMany[Processor] | None = None
    """One or more of cv180x, cv181x (the reCamera), cv182x, cv183x."""
    quantize: Quantize | None = None
    """F16 and BF16 are the same on these processors: BF16."""
    quant_input: bool | None = None
    """The input is given in the network's own type."""
    quant_output: bool | None = None
    """The outputs stay in the network's own type; the camera dequantises them."""
    quant_input_list: list[Positive] | None = None
    """Inputs whose cast is stripped, counted from 1."""
    quant_output_list: list[Positive] | None = None
    """Outputs whose cast is stripped, counted from 1."""
    tolerance: Similarities | None = None
    """Least cosine and Euclidean similarity of every layer to the float network."""
    excepts: list[Listed] | None = None
    """Layers that are not compared."""
    test_input: AnyNumber[FileName] | None = None
    """Another input than [verify]'s for the checks; an empty array for none, and no checks."""
    test_reference: FileName | None = None
    """Another reference than the float network's outputs: an npz, relative to the model's folder."""
    compare_all: bool | None = None
    """Compare all tensors when lowering."""
    skip_validation: bool | None = None
    """Leave out the check of the finished cvimodel on the simulator."""
    fuse_preprocess: bool | None = None
    """The camera's image goes in as it is; mean and scale become part of the network."""
    customization_format: CustomizationFormat | None = None
    """How that image lies in memory."""
    aligned_input: bool | None = None
    """Its rows are padded to the hardware's alignment."""
    op_divide: bool | None = None
    """Divide large global operations."""
    ignore_f16_overflow: bool | None = None
    """Only false: these processors compute in BF16."""
    model_version: Literal["latest", "1.1", "1.2", "1.3", "1.4"] | None = None
    """An older cvimodel format; latest is 1.4, the newest that the runtime reads."""
    disable_layer_group: bool | None = None
    """No layer groups."""
    opt: Literal[1, 2] | None = None
    """Optimisation level."""
    addr_mode: Literal["auto", "basic", "io_alone", "io_tag"] | None = None
    """Only auto: these processors have one way to assign addresses."""
    num_core: Literal[1] | None = None
    """These processors have one core."""


def _file_or_table(value: object) -> str:
    return "<file>" if isinstance(value, str) else "<table>"


QtableSource = Annotated[
    Annotated[QtableOptions, Tag("<table>")] | Annotated[FileName, Tag("<file>")],
    Discriminator(_file_or_table),
]


class Variant(DeployOptions):
    """One cvimodel of a model."""

    qtable: QtableSource | None = None
    """Mixed precision: how the layers that stay float are searched for, or a table of one's own."""
    calibration_table: FileName | None = None
    """A table of one's own instead of the calibration stage."""


class Budget(Declared):
    """What a finished cvimodel may need at most; more fails the variant's info stage."""

    size: Positive | None = None
    """Bytes of the file."""
    ion_memory: Annotated[float, Field(gt=0)] | None = None
    """ION memory in MB, as model_tool prints it."""
    milliseconds: Annotated[float, Field(gt=0)] | None = None
    """Estimated milliseconds on the TPU at 500 MHz, the longer end of the range that is shown."""
    recognised_as: Text | None = None
    """The kind of model that the camera must take it for."""
    works_on_camera: bool | None = None
    """If true, the camera must recognise it and decode it rightly."""


class OnnxTarget(Declared):
    """What an ONNX source becomes before the toolchain reads it."""

    opset: Annotated[int, Field(ge=11, le=17)] | None = None
    """The newest opset that is left as it is; without it 17 (guide: target_opset_version)."""
    ir: Annotated[int, Field(ge=3, le=8)] | None = None
    """The newest IR version that is left as it is; without it 8 (guide: target_ir_version)."""


class OnnxOptions(OnnxTarget):
    """How an ONNX source is read."""

    external_data: list[Text] | None = None
    """Files with its weights, beside it; without it SOURCE.data and SOURCE_data, if there."""


class Model(Declared):
    """One `model.toml`."""

    description: str = ""
    source: FileName
    """The network's file, relative to the model's folder (tool: model_def)."""
    weights: FileName | None = None
    """The file with the weights of a Caffe network (tool: model_data)."""
    classes: FileName | None = None
    """A file with one class name a line."""
    onnx_sim: Literal["skip_fuse_bn"] | None = None
    """An option of the ONNX simplifier."""
    onnx: OnnxOptions = OnnxOptions()
    input: ModelInput = ModelInput()
    output: ModelOutput = ModelOutput()
    verify: Verify
    calibration: CalibrationOptions = CalibrationOptions()
    deploy: DeployOptions = DeployOptions()
    budget: Budget = Budget()
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
                    f"a variant cannot be called {name!r}: {' and '.join(VARIANT_STAGES)} are stages"
                )
        return self


# Options of the tools that are refused, and why. A mistyped key gets no such answer.
REFUSED: dict[str, str] = {
    "asymmetric": "tpu_mlir 1.7 accepts and ignores it: on every processor the file is the symmetric one's",
    "merge_weight": "it reads what an earlier run left behind: the result would depend on the order",
    "cache_skip": "it skips checks by what an earlier run left behind; what is up to date does not run",
    "do_winograd": "only for bm1684",
    "dynamic": "cvimodels have fixed shapes",
    "num_device": "these processors stand alone",
    "group_by_cores": "these processors have one core",
    "q_group_size": "these processors have no W4 quantisation",
    "compress_mode": "only for bm1688",
    "io_alone": 'the tool has replaced it: addr_mode = "io_alone"',
    "chip": "call it processor",
    "test_result": "it is always build/MODEL/MODEL_top_outputs.npz",
    "model_name": "the model's folder names it",
    "debug": "every stage keeps its log; what it leaves behind is not kept",
}


def merged(*tables: Declared) -> dict[str, Any]:
    """The values given in any of the tables; a later one wins."""
    values: dict[str, Any] = {}
    for table in tables:
        values.update(table.given())
    return values
