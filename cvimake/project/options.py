"""Options of the tools: each is declared here and nowhere else.

A field has its type, its text (the docstring below it) and metadata: `Option` for the tool that takes its
value, `Needs` for another key without which it has no effect, `Refused` for values that the tool has and we
refuse, and an example. The JSON schema, the checks, the command lines and the table in docs/declaring.md
follow from these. The fields of a table stand in the order of the tool's arguments, which decide each stage's
key: in another order, every project would be built again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from cvimake.project.declared import (
    AnyNumber,
    Count,
    Declared,
    FileName,
    Fraction,
    Listed,
    Needs,
    OneOrMany,
    Positive,
    Refused,
    Similarities,
    Text,
    example,
)
from cvimake.toolchain.tools import (
    MODEL_DEPLOY,
    MODEL_TRANSFORM,
    ONNX_DOWNGRADE,
    RUN_CALIBRATION,
    RUN_QTABLE,
    Option,
)

Processor = Literal["cv180x", "cv181x", "cv182x", "cv183x"]
Quantize = Literal["F16", "BF16", "INT8"]
RAW = frozenset({"gbrg", "grbg", "bggr", "rggb"})
PixelFormat = Literal["rgb", "bgr", "gray", "rgba", "gbrg", "grbg", "bggr", "rggb"]
CustomizationFormat = Literal[
    "RGB_PACKED", "RGB_PLANAR", "BGR_PACKED", "BGR_PLANAR", "GRAYSCALE", "YUV420_PLANAR", "YUV_NV21",
    "YUV_NV12", "RGBA_PLANAR", "GBRG_RAW", "GRBG_RAW", "BGGR_RAW", "RGGB_RAW",
]  # fmt: skip
Shape = Annotated[list[Positive], Field(min_length=1)]
Files = OneOrMany[FileName]
_TRANSFORM, _CALIBRATION, _QTABLE, _DEPLOY = map(
    Option, (MODEL_TRANSFORM, RUN_CALIBRATION, RUN_QTABLE, MODEL_DEPLOY)
)


class ModelInput(Declared):
    """The network's inputs, and how an image becomes one."""

    shapes: Annotated[
        Annotated[list[Shape], Field(min_length=1)] | None,
        Option(MODEL_TRANSFORM, "input_shapes", as_json=True),
        Option(ONNX_DOWNGRADE, "input-shapes", as_json=True),
        example([[1, 3, 640, 640]]),
    ] = None
    """One shape for each input, the batch first; without it, the shapes in the network's file."""
    types: Annotated[
        list[Literal["float32", "int32", "int64", "float16", "int8", "uint8"]] | None,
        Option(MODEL_TRANSFORM, "input_types"),
        example(["float32"]),
    ] = None
    """One type for each input of a TorchScript network."""
    resize_dims: Annotated[
        Annotated[list[Positive], Field(min_length=2, max_length=2)] | None, _TRANSFORM, example([256, 256])
    ] = None
    """Height and width that an image is resized to before it is cropped to the input."""
    keep_aspect_ratio: Annotated[bool, _TRANSFORM] = False
    """Pad an image to the input's shape instead of stretching it."""
    keep_ratio_mode: Annotated[Literal["letterbox", "short_side_scale"] | None, _TRANSFORM] = None
    """How the aspect ratio is kept."""
    mean: Annotated[list[float] | None, _TRANSFORM, example([0.0, 0.0, 0.0])] = None
    """One for each channel, subtracted from the pixel values 0 to 255."""
    scale: Annotated[list[float] | None, _TRANSFORM, example([0.0039216, 0.0039216, 0.0039216])] = None
    """One for each channel, multiplied after the mean is subtracted."""
    pixel_format: Annotated[PixelFormat | None, _TRANSFORM] = None
    """The channels that the network was trained with; without it, the tool's bgr."""
    channel_format: Annotated[Literal["nchw", "nhwc", "none"] | None, _TRANSFORM] = None
    """The position of the channels; none for an input that is not an image."""
    pad_value: Annotated[Annotated[int, Field(ge=0, le=255)] | None, _TRANSFORM, example(114)] = None
    """The pixel value that an image is padded with."""
    pad_type: Annotated[Literal["center", "normal"] | None, _TRANSFORM] = None
    """The sides that are padded: center for all, normal for the right and the bottom."""
    preprocess_list: Annotated[list[Positive] | None, _TRANSFORM, example([1])] = None
    """The inputs that are images, counted from 1; without it, all."""


class ModelOutput(Declared):
    """The tensors that the network ends in."""

    names: Annotated[
        tuple[Listed, ...],
        Strict(strict=False),
        Option(MODEL_TRANSFORM, "output_names"),
        Option(ONNX_DOWNGRADE, "outputs", as_json=True),
        example(["output0"]),
    ] = ()
    """The tensors that become the cvimodel's outputs, in this order; without it, the network's outputs."""
    relative_boxes: Annotated[bool, Option(ONNX_DOWNGRADE, "relative-boxes")] = False
    """Change boxes from pixels to fractions of the input size, as the camera expects them from a YOLOv5."""
    add_postprocess: Annotated[
        Literal["yolov5", "yolov3", "yolov8", "ssd", "bnr"] | None,
        _TRANSFORM,
        Refused(("bnr",), because="is for raw images, which these processors do not compute"),
    ] = None
    """A post-processing that the tool appends."""


class Verify(Declared):
    """The input that the transformed network and the variants are checked with."""

    input: Annotated[Files, Option(MODEL_TRANSFORM, "test_input"), example("dog.jpg")]
    """An image, npz or npy relative to the model's folder, or one for each input."""
    tolerance: Annotated[Similarities | None, _TRANSFORM, example([0.99, 0.9])] = None
    """The least similarity of each layer to the same layer of the source: cosine, Euclidean."""
    excepts: Annotated[list[Listed] | None, _TRANSFORM, example(["conv_3"])] = None
    """Layers that are not compared."""


class CalibrationOptions(Declared):
    """How the thresholds of INT8 are found."""

    dataset: Annotated[Text | None, _CALIBRATION, example("coco2017")] = None
    """The name of a dataset."""
    data_list: Annotated[FileName | None, _CALIBRATION, example("samples.txt")] = None
    """A file with one sample on each line. All paths are relative to the model's folder."""
    input_num: Annotated[Count | None, _CALIBRATION, example(100)] = None
    """How many samples are taken; without it, all."""
    tune_list: Annotated[FileName | None, _CALIBRATION, example("samples.txt")] = None
    """A file with the samples to tune with, like data_list."""
    tune_num: Annotated[Count | None, _CALIBRATION, example(5)] = None
    """How many samples the thresholds are tuned with."""
    histogram_bin_num: Annotated[Positive | None, _CALIBRATION, example(2048)] = None
    """The number of bins of the histograms from which the thresholds are computed."""
    debug_cmd: Annotated[Text | None, _CALIBRATION, example("use_percentile9999")] = None
    """Debug switches of the tool, such as use_percentile9999."""

    @model_validator(mode="after")
    def _one_source(self) -> CalibrationOptions:
        if self.dataset and self.data_list:
            raise ValueError("dataset and data_list exclude each other")
        return self


class QtableOptions(Declared):
    """How to search for the layers that stay float."""

    dataset: Annotated[Text | None, _QTABLE, example("coco2017")] = None
    """The name of a dataset; without dataset and data_list, the samples of the calibration."""
    data_list: Annotated[FileName | None, _QTABLE, example("samples.txt")] = None
    """A file with one sample on each line, as for the calibration."""
    input_num: Annotated[Positive | None, _QTABLE, example(10)] = None
    """How many samples are taken."""
    fp_type: Annotated[Literal["BF16", "auto"] | None, _QTABLE] = None
    """The type of the layers that stay float."""
    expected_cos: Annotated[Fraction | None, _QTABLE, example(0.999)] = None
    """The search ends when the outputs are this similar to the float network's."""
    min_layer_cos: Annotated[Fraction | None, _QTABLE, example(0.99)] = None
    """Layers that are less similar than this are tried as float."""
    global_compare_layers: Annotated[list[Listed] | None, _QTABLE, example(["conv_3:0.4", "conv_9:0.6"])] = (
        None
    )
    """Layers to compare instead of the outputs, as 'name' or 'name:weight'."""
    debug_cmd: Annotated[Text | None, _QTABLE, example("use_percentile9999")] = None
    """Debug switches of the tool."""
    require_expected_cos: bool = False
    """Fail if the search gives up, instead of warning."""

    @model_validator(mode="after")
    def _one_source(self) -> QtableOptions:
        if self.dataset and self.data_list:
            raise ValueError("dataset and data_list exclude each other")
        return self


class DeployOptions(Declared):
    """How a cvimodel is made. `[deploy]` holds for every variant that does not say otherwise."""

    quantize: Annotated[Quantize | None, _DEPLOY, example("INT8")] = None
    """The number type. F16 and BF16 both give BF16, the only float type of these processors."""
    processor: Annotated[OneOrMany[Processor] | None, _DEPLOY, example("cv181x")] = None
    """One or more processors; there is one cvimodel for each. Without it cv181x, the reCamera's."""
    quant_input: Annotated[bool | None, _DEPLOY] = None
    """The input is given in the network's own type."""
    quant_output: Annotated[bool | None, _DEPLOY] = None
    """The outputs stay in the network's own type; the camera dequantises them."""
    quant_input_list: Annotated[list[Positive] | None, _DEPLOY, Needs("quant_input"), example([1])] = None
    """The numbers of the inputs that quant_input is for, counted from 1."""
    quant_output_list: Annotated[list[Positive] | None, _DEPLOY, Needs("quant_output"), example([1])] = None
    """The numbers of the outputs that quant_output is for, counted from 1."""
    fuse_preprocess: Annotated[bool | None, _DEPLOY] = None
    """The cvimodel takes the camera's image as it is; mean and scale become part of the network."""
    customization_format: Annotated[CustomizationFormat | None, _DEPLOY, Needs("fuse_preprocess")] = None
    """How the camera's image lies in memory."""
    aligned_input: Annotated[bool | None, _DEPLOY, Needs("fuse_preprocess")] = None
    """The network expects image rows that are padded to the hardware's alignment (cv181x: 128 bytes)."""
    op_divide: Annotated[bool | None, _DEPLOY] = None
    """Divide large global operations."""
    ignore_f16_overflow: Annotated[
        bool | None,
        _DEPLOY,
        Refused(
            (True,), because="has no effect, since these processors compute in BF16, which does not overflow"
        ),
        Field(examples=[False]),
    ] = None
    """Convert some operators from F16 to F32."""
    disable_layer_group: Annotated[bool | None, _DEPLOY] = None
    """Do not compute layers in groups."""
    opt: Annotated[Literal[1, 2] | None, _DEPLOY] = None
    """Level of optimisation."""
    addr_mode: Annotated[
        Literal["auto", "basic", "io_alone", "io_tag"] | None,
        _DEPLOY,
        Refused(
            ("basic", "io_alone", "io_tag"),
            because="has no effect, since these processors have one way to assign addresses",
        ),
    ] = None
    """How addresses are assigned."""
    num_core: Annotated[Literal[1] | None, _DEPLOY] = None
    """These processors have one core."""
    model_version: Annotated[Literal["latest", "1.1", "1.2", "1.3", "1.4"] | None, _DEPLOY] = None
    """An older cvimodel format; latest is 1.4, the newest that the runtime reads."""
    test_input: Annotated[AnyNumber[FileName] | None, _DEPLOY, example("dog.jpg")] = None
    """The input for the checks, instead of that of [verify]; an empty list leaves the checks out."""
    test_reference: Annotated[FileName | None, _DEPLOY, example("reference.npz")] = None
    """Outputs to compare with instead of the float network's: an npz, relative to the model's folder."""
    tolerance: Annotated[Similarities | None, _DEPLOY, example([0.99, 0.9])] = None
    """The least similarity of each layer to the same layer of the float network: cosine, Euclidean."""
    excepts: Annotated[list[Listed] | None, _DEPLOY, example(["conv_3"])] = None
    """Layers that are not compared."""
    compare_all: Annotated[bool | None, _DEPLOY] = None
    """Compare all tensors after lowering."""
    skip_validation: Annotated[bool | None, _DEPLOY] = None
    """Leave out the check of the finished cvimodel on the simulator."""


class OnnxTarget(Declared):
    """The form that an ONNX source is converted to before the toolchain reads it."""

    opset: Annotated[Annotated[int, Field(ge=11, le=17)] | None, Option(ONNX_DOWNGRADE), example(17)] = None
    """A newer opset is converted to this one; without it, 17 (guide: target_opset_version)."""
    ir: Annotated[Annotated[int, Field(ge=3, le=8)] | None, Option(ONNX_DOWNGRADE), example(8)] = None
    """A newer IR version is converted to this one; without it, 8 (guide: target_ir_version)."""


class OnnxOptions(OnnxTarget):
    """How an ONNX source is read."""

    external_data: Annotated[list[Text] | None, example(["weights.bin"])] = None
    """Files with weights, beside the source; without it, SOURCE.data and SOURCE_data if they exist."""
