"""Finds combinations that the toolchain refuses or gets wrong, before a container starts.

Each rule gets one variant with all its values, and yields the key and the fault.
Sources: `model_deploy` and `utils/preprocess.py` of tpu_mlir 1.7, and observations of their runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cvimake.camera.camera_picture import Rows
from cvimake.project import factors
from cvimake.project.declared import Needs
from cvimake.project.model import Model, Variant
from cvimake.project.networks import network_file
from cvimake.project.networks.network_file import Kind
from cvimake.project.options import RAW, CalibrationOptions, ModelInput, QtableOptions

Fault = tuple[str, str]
Rule = Callable[["ModelInput", Variant, Sequence[str]], Iterator[Fault]]

FUSABLE_IMAGES = frozenset({".jpg", ".jpeg", ".png"})
# A gigabyte as INT8: four times what the largest of these processors has.
_MOST_VALUES = 2**30
_PACKED = frozenset({"RGB_PACKED", "BGR_PACKED"})
_NO_RAW = "the compiler has no raw input for these processors"
# The formats that the camera can hand over, by the number of the network's channels.
_CUSTOMIZABLE = {
    1: ("GRAYSCALE",),
    3: ("RGB_PLANAR", "RGB_PACKED", "BGR_PLANAR", "BGR_PACKED", "YUV420_PLANAR", "YUV_NV12", "YUV_NV21"),
    4: ("RGBA_PLANAR",),
}


def variant_faults(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    """Yield the faults of a variant's values together."""
    for rule in _RULES:
        yield from rule(inputs, variant, test_input)


def _quantize(_inputs: ModelInput, variant: Variant, _test_input: Sequence[str]) -> Iterator[Fault]:
    if variant.quantize is None:
        yield "quantize", "is missing: F16, BF16 or INT8"


def _preprocess(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    if inputs.pixel_format in RAW and not test_input:
        yield "test_input", f'cannot be empty with pixel_format = "{inputs.pixel_format}": the tool fails'
    if not variant.fuse_preprocess:
        return
    if inputs.channel_format in {"nhwc", "none"}:
        what = f'does not work with channel_format = "{inputs.channel_format}": the tool misreads the shape'
        yield "fuse_preprocess", what
    if inputs.pixel_format in RAW:
        yield "fuse_preprocess", f'does not work with pixel_format = "{inputs.pixel_format}": {_NO_RAW}'
        return
    fusable = len(test_input) == 1 and Path(test_input[0]).suffix.lower() in FUSABLE_IMAGES
    if test_input and not fusable:
        yield (
            "fuse_preprocess",
            "needs one image (.jpg, .jpeg, .png) as test input, because the network prepares images itself",
        )
    elif test_input and inputs.pixel_format == "rgba":
        what = (
            'cannot be checked with pixel_format = "rgba": the tool fails on its test image. '
            "Declare test_input = [] to build without checks"
        )
        yield "fuse_preprocess", what


def _customization_format(
    inputs: ModelInput, variant: Variant, _test_input: Sequence[str]
) -> Iterator[Fault]:
    declared = variant.customization_format
    if not variant.fuse_preprocess or inputs.pixel_format in RAW:
        return
    if declared is None:
        if inputs.pixel_format == "rgba":
            yield (
                "customization_format",
                'is missing: it has no default for pixel_format = "rgba". Declare RGBA_PLANAR',
            )
        return
    if declared.endswith("_RAW"):
        yield "customization_format", f"{declared} does not work: {_NO_RAW}"
        return
    channels = _channels(inputs)
    if declared not in _CUSTOMIZABLE[channels]:
        what = (
            f"{declared} does not fit pixel_format {inputs.pixel_format or 'bgr'} ({channels} channels). "
            f"Declare one of {', '.join(_CUSTOMIZABLE[channels])}"
        )
        yield "customization_format", what


def _alignment(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    # Only the check fails. Without a test input there is no check, and nothing to refuse.
    aligned = variant.fuse_preprocess and variant.aligned_input and test_input
    if not (aligned and variant.customization_format in _PACKED and inputs.shapes):
        return
    width = inputs.shapes[0][-1]
    rows = Rows.of(width)
    # The tool pads its test image as the camera's hardware does.
    if rows.camera != rows.aligned:
        what = (
            f"the tool's check fails at width {width} with {variant.customization_format}: the tool pads a "
            f"row of {rows.plain} bytes to {rows.camera}, as the camera does, but the compiled network reads "
            f"rows of {rows.aligned} bytes. To correct this, {rows.advice}"
        )
        yield "aligned_input", what


def _stripped_inputs(inputs: ModelInput, variant: Variant, _test_input: Sequence[str]) -> Iterator[Fault]:
    if inputs.shapes and (beyond := max(variant.quant_input_list or [0])) > len(inputs.shapes):
        yield "quant_input_list", f"there is no input {beyond}: [input] shapes has {len(inputs.shapes)}"


def _needed(_inputs: ModelInput, variant: Variant, _test_input: Sequence[str]) -> Iterator[Fault]:
    """Yield the options that have no effect without another one."""
    for key, field in Variant.model_fields.items():
        for needs in field.metadata:
            if not isinstance(needs, Needs) or not getattr(variant, key):
                continue
            value = getattr(variant, needs.key)
            # A switch that is not set is off. Another key that is missing is told by itself.
            if value != needs.value and not (value is None and needs.value is not True):
                yield key, str(needs)


_RULES: tuple[Rule, ...] = (
    _quantize,
    _preprocess,
    _customization_format,
    _alignment,
    _stripped_inputs,
    _needed,
)


def test_input_faults(files: Sequence[str]) -> Iterator[str]:
    """Yield the faults of the files that a network is tested with."""
    suffixes = {Path(file).suffix.lower() for file in files}
    readable = {*FUSABLE_IMAGES, ".npy", ".npz"}
    if unknown := sorted(suffixes - readable):
        yield f"{unknown[0] or 'no suffix'} cannot be used: the tool reads {', '.join(sorted(readable))}"
    if ".npz" in suffixes and len(files) > 1:
        yield "an npz holds all inputs, so it must be the only file"


def input_faults(
    inputs: ModelInput, source: str, test_input: Sequence[str], kind: Kind | None = None
) -> Iterator[Fault]:
    """Yield the faults of the values of [input] together.

    Args:
        inputs: the values.
        source: the name of the network's file.
        test_input: the files that the network is tested with.
        kind: the kind of the network in a .pt; None if that is not known, or for another suffix.
    """
    channels = _channels(inputs)
    for name in ("mean", "scale"):
        values = getattr(inputs, name)
        if values is not None and len(values) != channels:
            yield (
                name,
                f"has {len(values)} values, but {inputs.pixel_format or 'bgr'} has {channels} channels",
            )
    yield from factors.errors(inputs)
    if Path(source).suffix == ".pt":
        yield from _exported(inputs) if kind is Kind.CHECKPOINT else _traced(inputs)
    if any(math.prod(shape) > _MOST_VALUES for shape in inputs.shapes or []):
        yield "shapes", f"an input has more than {_MOST_VALUES} values: no processor has so much memory"
    if inputs.types and not (Path(source).suffix == ".pt" and kind is not Kind.CHECKPOINT):
        yield "types", "is only for TorchScript (.pt): the files of other networks hold the types"
    if inputs.shapes and inputs.types and len(inputs.shapes) != len(inputs.types):
        yield "types", f"has {len(inputs.types)} entries, but shapes has {len(inputs.shapes)}"
    if inputs.channel_format == "none" and any(
        Path(file).suffix.lower() in FUSABLE_IMAGES for file in test_input
    ):
        yield "channel_format", '"none" is for inputs that are not images, but [verify] input is an image'
    height, width = _image_size(inputs)
    if inputs.resize_dims and (inputs.resize_dims[0] < height or inputs.resize_dims[1] < width):
        yield "resize_dims", f"is smaller than the input, {height} x {width}, which is cropped from it"
    if inputs.shapes and (beyond := max(inputs.preprocess_list or [0])) > len(inputs.shapes):
        yield "preprocess_list", f"there is no input {beyond}: [input] shapes has {len(inputs.shapes)}"


def _exported(inputs: ModelInput) -> Iterator[Fault]:
    """Yield the faults of the shape that a checkpoint is exported for."""
    if inputs.shapes is None:
        yield "shapes", "is missing: a checkpoint is exported for one shape, such as [[1, 3, 640, 640]]"
    elif len(inputs.shapes) != 1 or len(inputs.shapes[0]) != 4:  # noqa: PLR2004 - batch, channels, height, width
        yield "shapes", "must be one shape of 4 axes for a checkpoint, such as [[1, 3, 640, 640]]"
    if inputs.channel_format not in {None, "nchw"}:
        yield "channel_format", "must be nchw for a checkpoint: its network has its channels first"


def _traced(inputs: ModelInput) -> Iterator[Fault]:
    """Yield the faults of the shapes of a TorchScript network."""
    if inputs.shapes is None:
        yield "shapes", "is missing: a TorchScript file does not hold the shapes of its inputs"


def _channels(inputs: ModelInput) -> int:
    # The tool makes three channels of a raw format, too.
    return {"gray": 1, "rgba": 4}.get(inputs.pixel_format or "bgr", 3)


def _image_size(inputs: ModelInput) -> tuple[int, int]:
    """Return height and width of the first input; 0 if they are not declared or it is not an image."""
    shape = inputs.shapes[0] if inputs.shapes else []
    if len(shape) != 4 or inputs.channel_format == "none":  # noqa: PLR2004 - batch, channels, height, width
        return (0, 0)
    return (shape[1], shape[2]) if inputs.channel_format == "nhwc" else (shape[2], shape[3])


def comparison_faults(layers: Sequence[str]) -> Iterator[str]:
    """Yield the faults of the layers that a qtable search compares, as 'name' or 'name:weight'."""
    weights = [layer.rpartition(":")[2] for layer in layers if ":" in layer]
    if not weights:
        return
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        yield "the weight behind a colon is not a number"
        return
    if len(weights) < len(layers):
        yield "some layers have a weight and others have none; give all of them one, or none"
    # The tool compares the sum without any tolerance.
    elif sum(numbers) != 1:
        yield f"the weights add up to {sum(numbers)!r}, but the tool requires exactly 1"


def count_faults(wanted: int | None, there: int | None) -> Iterator[str]:
    """Yield the faults of a number of samples.

    Args:
        wanted: the declared number; None if none is declared.
        there: the number of samples that there are; None if it is not known.
    """
    if wanted == 0:
        yield "is 0; leave input_num out to take all of them"
    elif wanted and there and wanted > there:
        yield f"is {wanted}, but the number of samples is {there}; leave input_num out to take all of them"


def source_faults(model: Model, kind: Kind | None = None) -> Iterator[Fault]:
    """Yield the faults of the file names of the source network; see `input_faults` for its kind."""
    suffix = Path(model.source).suffix
    if what := network_file.name_fault(model.source):
        yield "source", what
    if (suffix == ".prototxt") != (model.weights is not None):
        yield "weights", "a Caffe network has both: a .prototxt as source and a .caffemodel as weights"
    if not _becomes_onnx(suffix, kind) and model.onnx.given():
        yield "onnx", f"is only for ONNX sources, and source is {model.source}"
    if kind is Kind.CHECKPOINT and model.onnx.external_data:
        yield "onnx", "external_data is only for ONNX sources: the file of a checkpoint holds its weights"
    for name in model.onnx.external_data or []:
        if name.startswith("/") or ".." in Path(name).parts:
            yield (
                "onnx",
                f"external_data: {name} must be a relative path without '..', in the source's folder",
            )


def _becomes_onnx(suffix: str, kind: Kind | None) -> bool:
    """Tell whether a network is ONNX or exported to it, as far as is known: a .pt can be a checkpoint."""
    return suffix == ".onnx" or (suffix == ".pt" and kind in {None, Kind.CHECKPOINT})


def output_faults(model: Model, kind: Kind | None = None) -> Iterator[Fault]:
    """Yield the faults of the values of [output] together; see `input_faults` for the kind."""
    output = model.output
    if twice := sorted({name for name in output.names if list(output.names).count(name) > 1}):
        yield "names", f"{twice[0]!r} is listed twice, but a cvimodel gives each tensor once"
    if not output.relative_boxes:
        return
    if not _becomes_onnx(suffix := Path(model.source).suffix, kind):
        yield "relative_boxes", f"changes the network, which is only possible in ONNX, not in {suffix}"
    if len(output.names) > 1:
        yield "relative_boxes", f"is for a network with one output, but names has {len(output.names)}"
    if output.add_postprocess:
        yield "relative_boxes", "does not work with add_postprocess, which takes boxes in pixels"


def needs_calibration(variant: Variant) -> bool:
    """Tell whether a variant reads the calibration stage's table."""
    return variant.quantize == "INT8" and variant.calibration_table is None


def has_samples(options: CalibrationOptions | QtableOptions) -> bool:
    """Tell whether samples to calibrate or search with are declared."""
    return bool(options.dataset or options.data_list)
