"""Combinations that the toolchain refuses or gets wrong, found before a container starts.

Each rule looks at one variant with all its values, and answers with the key to point at and what is wrong.
Sources: `model_deploy` and `utils/preprocess.py` of tpu_mlir 1.7, and what was seen when they ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cvimake.spec.model import CalibrationOptions, Model, ModelInput, QtableOptions, Variant

Fault = tuple[str, str]
Rule = Callable[["ModelInput", Variant, Sequence[str]], Iterator[Fault]]

# ONNX, Caffe, TFLite, TorchScript.
SOURCES = (".onnx", ".prototxt", ".tflite", ".pt")
FUSABLE_IMAGES = frozenset({".jpg", ".jpeg", ".png"})
_PACKED = frozenset({"RGB_PACKED", "BGR_PACKED"})
_RAW = frozenset({"gbrg", "grbg", "bggr", "rggb"})


def variant_faults(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with a variant's values together."""
    for rule in _RULES:
        yield from rule(inputs, variant, test_input)


def _quantize(_inputs: ModelInput, variant: Variant, _test_input: Sequence[str]) -> Iterator[Fault]:
    if variant.quantize is None:
        yield "quantize", "is missing: F16, BF16 or INT8"
    if variant.quantize in {"F16", "BF16"}:
        if variant.qtable is not None:
            yield "qtable", f'needs quantize = "INT8": with {variant.quantize} every layer is float'
        if variant.calibration_table is not None:
            yield "calibration_table", f'has no use with quantize = "{variant.quantize}"'


def _preprocess(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    if not variant.fuse_preprocess:
        if variant.customization_format:
            yield "customization_format", "needs fuse_preprocess = true"
        if variant.aligned_input:
            yield "aligned_input", "needs fuse_preprocess = true"
        return
    fusable = len(test_input) == 1 and Path(test_input[0]).suffix.lower() in FUSABLE_IMAGES
    if test_input and not fusable:
        yield (
            "fuse_preprocess",
            "needs one image (.jpg, .jpeg, .png) as test input: preprocessing is part of the network",
        )
    if not variant.customization_format:
        if inputs.pixel_format == "rgba":
            yield "customization_format", "is missing: the tool derives none for rgba. Say RGBA_PLANAR"
        elif inputs.pixel_format in _RAW:
            yield (
                "customization_format",
                f"is missing: the tool derives none for raw formats. Say {inputs.pixel_format.upper()}_RAW",
            )


def _alignment(inputs: ModelInput, variant: Variant, test_input: Sequence[str]) -> Iterator[Fault]:
    # It is the check that fails; without one there is nothing to refuse.
    aligned = variant.fuse_preprocess and variant.aligned_input and test_input
    if not (aligned and variant.customization_format in _PACKED and inputs.shapes):
        return
    width = inputs.shapes[0][-2] if inputs.channel_format == "nhwc" else inputs.shapes[0][-1]
    row = 3 * width
    tool, hardware = (-(-row // step) * step for step in (64, 128))
    if tool != hardware:
        what = (
            f"at width {width} the tool's check fails for {variant.customization_format}: it pads a row of "
            f"{row} bytes to {tool}, the compiled network to {hardware}. Leave aligned_input out, or use a "
            "width such as 256, 384, 416 or 640"
        )
        yield "aligned_input", what


_RULES: tuple[Rule, ...] = (_quantize, _preprocess, _alignment)


def test_input_faults(files: Sequence[str]) -> Iterator[str]:
    """What is wrong with the files that a network is tested with."""
    suffixes = {Path(file).suffix.lower() for file in files}
    readable = {*FUSABLE_IMAGES, ".npy", ".npz"}
    if unknown := sorted(suffixes - readable):
        yield f"{unknown[0] or 'no suffix'}: the tool reads {', '.join(sorted(readable))}"
    if ".npz" in suffixes and len(files) > 1:
        yield "an npz holds all inputs; it stands alone"


def input_faults(inputs: ModelInput) -> Iterator[Fault]:
    """What is wrong with the values of [input] together."""
    channels = {"gray": 1, "rgba": 4}.get(inputs.pixel_format or "bgr", 3)
    for name in ("mean", "scale"):
        values = getattr(inputs, name)
        if values is not None and len(values) != channels:
            yield (
                name,
                f"has {len(values)} values, and {inputs.pixel_format or 'bgr'} has {channels} channels",
            )
    if inputs.shapes and inputs.types and len(inputs.shapes) != len(inputs.types):
        yield "types", f"has {len(inputs.types)} entries, and shapes has {len(inputs.shapes)}"


def source_faults(model: Model) -> Iterator[Fault]:
    """What is wrong with the source network's file name."""
    suffix = Path(model.source).suffix
    if suffix not in SOURCES:
        yield "source", f"{suffix or 'no suffix'}: the toolchain reads {', '.join(SOURCES)}"
    if (suffix == ".prototxt") != (model.weights is not None):
        yield "weights", "a Caffe network is a .prototxt as source and a .caffemodel as weights"


def needs_calibration(variant: Variant) -> bool:
    """Whether a variant reads the calibration stage's table."""
    return variant.quantize == "INT8" and variant.calibration_table is None


def has_samples(options: CalibrationOptions | QtableOptions) -> bool:
    """Whether it is said what to calibrate or search with."""
    return bool(options.dataset or options.data_list)
