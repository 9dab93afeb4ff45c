"""The toolchain's known failures: by what each is told, what it means, and what to do.

Every row was caused in the real toolchain; `tests/unit/data/logs` holds what it printed. `docs/errors.md`
is the same list for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Limit = Literal["memory", "time", "workspace", "killed"]


@dataclass(frozen=True)
class Known:
    """One known failure.

    Attributes:
        id: its name, and its heading in `docs/errors.md`.
        sign: a pattern that its log holds, or how the engine says that it ended.
        cause: what happened; `{name}` is a group of the pattern or a limit.
        remedy: what to do, the same way; one or more lines.
        link: where the cause is explained in full, if it is not ours.
    """

    id: str
    sign: re.Pattern[str] | Limit
    cause: str
    remedy: str
    link: str = ""


def _log(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


_OPERATORS = "https://github.com/onnx/onnx/blob/main/docs/Operators.md"
_EXTERNAL_DATA = "https://github.com/onnx/onnx/blob/main/docs/ExternalData.md"

# The first that fits counts: what is told exactly stands before what is told by a crash.
KNOWN: tuple[Known, ...] = (
    Known(
        "out-of-memory",
        "memory",
        "it needs more than its memory limit of {memory:.1f} GiB",
        "Raise memory in [tool.cvimake.limits] (pyproject.toml), take a smaller [input] shapes or batch, or\n"
        "calibrate with a smaller input_num.",
    ),
    Known(
        "time-limit",
        "time",
        "stopped after its time limit of {seconds:g} s",
        "Raise hours in [tool.cvimake.limits] (pyproject.toml), or calibrate and search with fewer samples\n"
        "(input_num, tune_num).",
    ),
    Known(
        "workspace-limit",
        "workspace",
        "stopped because it wrote more than {workspace:g} GiB, or more than {files} files and folders",
        "If it is that large, raise workspace or file_count in [tool.cvimake.limits] (pyproject.toml).",
    ),
    Known(
        "killed",
        "killed",
        "its tool was killed by somebody, or for want of memory (exit code 137)",
        "If the machine was short of memory, build less at one time (./doit -n 1) and start again.",
    ),
    Known(
        "disk-full",
        _log(r"No space left on device"),
        "the tool ran out of room for its temporary files",
        "In the container /tmp holds 1 GiB; elsewhere make room on the disk that the engine or build uses.",
    ),
    Known(
        "file-limit",
        _log(r"File too large|File size limit exceeded"),
        "one of its files would be larger than {workspace:g} GiB",
        "If the network is that large, raise workspace in [tool.cvimake.limits] (pyproject.toml).",
    ),
    Known(
        "process-limit",
        _log(r"\[Errno 11\] Resource temporarily unavailable|can't start new thread"),
        "the tool could not start another process: it has {processes} at most",
        "Start again. If it repeats, the machine itself is at its limit of processes (ulimit -u).",
    ),
    Known(
        "old-glibc",
        _log(r"version `?(?P<version>GLIBC_[0-9.]+)'? not found"),
        "the toolchain's own C library is older than the system's: {version} not found",
        "Make the image anew (./doit image --rebuild): its recipe removes that library.",
    ),
    Known(
        "unknown-output",
        _log(r"Error, can't find \[(?P<names>.+)\] in model"),
        "the network has no tensor {names}",
        "Correct [output] names. They name tensors, not layers; Netron (netron.app) shows them.",
    ),
    Known(
        "input-rank",
        _log(r"input shapes error:(?P<shapes>\[.*\]), (?P<network>\d+) vs (?P<declared>\d+)"),
        "[input] shapes = {shapes} does not fit: the network has {network} where {declared} stand there",
        "Give one shape for each input, each with all axes, batch first.",
    ),
    Known(
        "dynamic-input",
        _log(r"Please check --input_shapes formula or check if there is any dynamic dim"),
        "the network leaves the size of its input open",
        "Say it: [input] shapes = [[1, 3, 640, 640]], for instance.",
    ),
    Known(
        "wrong-channels",
        _log(
            r"Got invalid dimensions for input: (?P<input>\S+)(?: for the following indices)?\s+"
            r"index: 1 Got: (?P<got>[134]) Expected: (?P<expected>\d+)$"
        ),
        "the network's input {input} has {expected} channels, and what it was tested with has {got}",
        'Set [input] pixel_format: "gray" for 1 channel, "rgb" or "bgr" for 3, "rgba" for 4. If shapes says\n'
        "another number of channels than the network has, correct it.",
    ),
    Known(
        "test-input-shape",
        _log(
            r"Got invalid dimensions for input: (?P<input>\S+)(?: for the following indices)?\s+"
            r"index: (?P<axis>\d+) Got: (?P<got>\d+) Expected: (?P<expected>\d+)"
        ),
        "the test input for {input} has another shape: along axis {axis} from 0, {got} instead of {expected}",
        "Make [verify] input fit [input] shapes, or the other way round.",
    ),
    Known(
        "test-input-rank",
        _log(r"Invalid rank for input: (?P<input>\S+) Got: (?P<got>\d+) Expected: (?P<expected>\d+)"),
        "the test input for {input} has {got} axes instead of {expected}",
        "Make [verify] input fit [input] shapes: all axes, batch first.",
    ),
    Known(
        "sample-keys",
        _log(
            r"assert \((?:len\(x\.files\) == 1|input in x)\)"
            r"|^KeyError: '(?P<input>.+) is not a file in the archive'"
        ),
        "a sample's npz does not hold the network's inputs",
        "Its arrays have to be called as the inputs of the network are, and there is one for each:\n"
        "numpy.savez(file, NAME=array, ...).",
    ),
    Known(
        "sample-input-count",
        _log(r"assert \(self\.input_num == len\(inputs\)\)"),
        "a sample has another number of files than the network has inputs",
        "In the list of samples, one line names one file for each input, joined by commas, or one npz.",
    ),
    Known(
        "sample-shape",
        _log(r"Tensor (?P<input>\S+) data need size: (?P<expected>\d+) , but set size: (?P<got>\d+)"),
        "a sample for {input} has another shape: {got} bytes instead of {expected}",
        "Make the dataset's npy or npz files in the shape of [input] shapes, float32, one batch each.",
    ),
    Known(
        "fixed-shape",
        _log(r"\b(?P<operator>\w+)Op::shape_inference\(\): Assertion `(?P<check>[^']+)' failed"),
        "[input] shapes does not fit the network: its {operator} ends in an impossible shape",
        "The network was exported for another input size. Take that (leave shapes out), or export it anew.",
    ),
    Known(
        "unreadable-image",
        _log(r"in __load_image_and_resize(?s:.){0,200}'NoneType' object has no attribute 'shape'"),
        "an image cannot be read",
        "Look at the images of [verify] input or of the dataset: one of them is cut off or no image.",
    ),
    Known(
        "no-image-input",
        _log(r"'preprocess' object has no attribute 'channel_num'"),
        "the network's input has no shape of an image, and it was given one",
        "Check [input] shapes and channel_format, or give an npz or npy instead.",
    ),
    Known(
        "unreadable-array",
        _log(r"Cannot load file containing pickled data|BadZipFile|Failed to read all data for array"),
        "an npz or npy file cannot be read",
        "Write it anew with numpy.savez or numpy.save, from plain numbers.",
    ),
    Known(
        "npz-keys",
        _log(r"assert \((?:name in npz_in\.files|len\(self\.converter\.input_names\) == 1)\)"),
        "the npz of [verify] input does not hold the network's inputs",
        "Its arrays have to be called as the inputs of the network are: numpy.savez(file, NAME=array, ...).",
    ),
    Known(
        "test-input-count",
        _log(r"assert \(len\((?:self\.test_input|file_list)\) == len\("),
        "the network has another number of inputs than [verify] input has files",
        "List one file for each input, in the network's order, or one npz with all of them.",
    ),
    Known(
        "fused-test-input",
        _log(r"assert \(self\.test_input\[0\]\.endswith\(\('\.jpg', '\.jpeg', '\.png'\)\)\)"),
        "with fuse_preprocess the network takes an image, and the test input is none",
        "Give a .jpg, .jpeg or .png as test_input.",
    ),
    Known(
        "unsupported-operator",
        _log(r"Op not support:\{(?P<operators>.+)\}"),
        "tpu_mlir 1.7 does not have the operator {operators}",
        "End the network before it ([output] names), or export it without: what comes after can be computed\n"
        "on the camera's CPU.",
        _OPERATORS,
    ),
    Known(
        "unsupported-by-processor",
        _log(r'"top\.(?P<operator>\w+)".* loc\("(?P<layer>[^"]+)"\)\s*unimplemented tpu dialect!'),
        "the processor has no {operator}, which layer {layer} is",
        "End the network before it ([output] names), or train it with another operator in its place.",
    ),
    Known(
        "newer-opset",
        _log(
            r"'operand (?P<what>.+) not found'|Unsupport opset for (?P<operator>\w+)"
            r"|Opset (?P<opset>\d+) is under development"
        ),
        "the network uses an operator as opsets newer than 17 define it",
        "Export it with opset 17 (Ultralytics: yolo export opset=17; torch.onnx.export: opset_version=17).",
    ),
    Known(
        "no-kernel-shape",
        _log(r"^KeyError: 'kernel_shape'"),
        "a convolution does not say its kernel_shape; ONNX allows that, tpu_mlir 1.7 does not",
        "Write the attribute into the file: onnxslim or onnxsim do it, or re-export the network.",
    ),
    Known(
        "external-data",
        _log(r"No such file or directory: '/workspace/(?P<file>[^']+)'\s*(?:\Z|\n(?! ))"),
        "the network keeps its weights in another file ({file}); a step gets the .onnx alone",
        'Save it as one file: onnx.save(onnx.load("NETWORK.onnx"), "one.onnx").',
        _EXTERNAL_DATA,
    ),
    Known(
        "damaged-onnx",
        _log(r"google\.protobuf\.message\.DecodeError"),
        "the network's file is damaged or cut off",
        "Export or download it anew.",
    ),
    Known(
        "no-calibration-table",
        _log(r"can't open calibration table file"),
        "the compiler found no calibration table",
        "Give INT8 one: [calibration] dataset, or calibration_table of the variant.",
    ),
    Known(
        "foreign-calibration-table",
        _log(r"^\[Running\].*--import-calibration-table=(?:(?!^\[Running\])(?s:.))*CalibratedQuantizedType"),
        "the calibration table has no threshold for a layer: it is the table of another network, or no table",
        "Leave calibration_table out, so that one is made, or take the one that was made from this network\n"
        "with the same outputs.",
    ),
    Known(
        "int8-uncalibrated",
        _log(r"^\[Running\].*mode=INT8(?:(?!^\[Running\])(?s:.))*CalibratedQuantizedType"),
        "INT8 was asked for without a calibration table",
        "Give it one: [calibration] dataset, or calibration_table of the variant.",
    ),
    Known(
        "strip-list",
        _log(r"Entering StripIOQuantPass\.\s.*Invalid index!"),
        "quant_input_list or quant_output_list names one that the network does not have",
        "They count the network's inputs and outputs from 1.",
    ),
    Known(
        "aligned-width",
        _log(r"cannot reshape array of size (?P<given>\d+) into shape \((?P<wanted>[\d,]+)\)"),
        "the compiled network wants its rows padded otherwise ({wanted}) than the check does ({given})",
        "Leave aligned_input out, or take an input width whose rows are a multiple of 128 bytes.",
    ),
    Known(
        "raw-format",
        _log(r"unsupported pixel format|processed raw image should include|raw format not support"),
        "raw sensor formats do not work for these processors",
        "Take another customization_format, such as RGB_PACKED.",
    ),
    Known(
        "unknown-compare-layer",
        _log(r"^Can't find op name: (?P<layer>.+)$"),
        "there is no layer {layer}",
        'Correct global_compare_layers: they are called as in build/MODEL/MODEL.mlir, in loc("...").',
    ),
    Known(
        "search-died",
        _log(r"^the search died: (?P<exception>.+)$"),
        "the qtable search ended with an exception of its own: {exception}",
        "Lower expected_cos or min_layer_cos, so that fewer layers are tried, or name the float layers\n"
        'yourself, the least similar first: qtable = "FILE", with a line LAYER BF16 for each.',
    ),
    Known(
        "search-gave-up",
        _log(
            r"^the search gave up: a cosine of (?P<mix>\S+), (?P<expected>\S+) expected, "
            r"(?P<int8>\S+) for INT8; (?P<why>.+)\. (?P<remedy>[A-Z].+)$"
        ),
        "the search gave up at a cosine of {mix}, {expected} was expected (INT8 alone: {int8}): {why}",
        "{remedy} Without require_expected_cos the build goes on.",
    ),
    Known(
        "miscompiled",
        _log(r"^Target +\S+_model_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "the finished cvimodel does not compute what its MLIR says: a fault of the compiler",
        "End the network before its post-processing ([output] names).",
    ),
    Known(
        "inexact-transform",
        _log(r"^Target +\S+_top_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "the MLIR does not compute what the network says",
        "Name the layers that may differ in [verify] excepts, lower its tolerance, or end the network\n"
        "before them ([output] names).",
    ),
    Known(
        "nothing-found",
        _log(
            r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED(?s:.)*"
            r"^the float network's (?P<tensor>.+) is nearly constant, from (?P<least>\S+) to (?P<most>\S+)$"
        ),
        "with this test image the float network's own {tensor} is nearly constant, from {least} to\n"
        "{most}: it finds nothing there, and what is less similar than the tolerance allows is rounding",
        "Test with an image in which the network finds something ([verify] input; `./doit init` looks for\n"
        "one), or end the network before its last sigmoid or softmax ([output] names).",
    ),
    Known(
        "tolerance-missed-bf16",
        _log(r"^Target +\S+_bf16_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "in BF16 it is less similar to the float network than the variant's tolerance allows",
        "Lower tolerance to a little less than what was reached, or test with an image in which the\n"
        "network finds something ([verify] input). BF16 keeps 8 bits of each number: small differences of\n"
        "large numbers lose most. The camera's CPU can compute these from earlier outputs ([output] names).",
    ),
    Known(
        "tolerance-missed-mixed",
        _log(
            r"^\[Running\].*\bqtable=\S(?s:.)*"
            r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"
        ),
        "with its qtable it is less similar to the float network than the variant's tolerance allows",
        "Lower tolerance, keep more layers float (a higher expected_cos and min_layer_cos, or more lines\n"
        "in a qtable of your own), or calibrate with more or other samples.",
    ),
    Known(
        "tolerance-missed",
        _log(r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "it is less similar to the float network than the variant's tolerance allows",
        "Lower tolerance, calibrate with more or other samples, or keep layers float: qtable = {{ }}.",
    ),
    Known(
        "refused-layer",
        _log(r"^<unknown>:0: error: loc\(\"(?P<layer>[^\"]+)\"\): (?P<what>.+)$"),
        "the compiler refuses layer {layer}: {what}",
        "Export the network with another mode of that operator, or end it before ([output] names).",
    ),
)
