"""The known failures of the toolchain: how each is recognised, its cause, and its remedy.

Every row was caused in the real toolchain; `tests/unit/data/logs` holds the output. `docs/errors.md` is the
same list for people.
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
        id: the name, which is also the heading in `docs/errors.md`.
        sign: a pattern that the log contains, or the limit that ended the tool.
        cause: the cause; `{name}` stands for a group of the pattern or for a limit.
        remedy: the remedy, in one or more lines; `{name}` as in the cause.
        link: a page of others that explains the cause in full; empty if there is none.
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

# The first matching row counts, so rows with an exact message come before rows with a mere crash.
KNOWN: tuple[Known, ...] = (
    Known(
        "out-of-memory",
        "memory",
        "the tool needs more than its memory limit of {memory:.1f} GiB",
        "Raise memory in [tool.cvimake.limits] (pyproject.toml), declare smaller [input] shapes or a\n"
        "smaller batch, or calibrate with a smaller input_num.",
    ),
    Known(
        "time-limit",
        "time",
        "the tool was stopped after its time limit of {seconds:g} s",
        "Raise hours in [tool.cvimake.limits] (pyproject.toml), or calibrate and search with fewer samples\n"
        "(input_num, tune_num).",
    ),
    Known(
        "workspace-limit",
        "workspace",
        "the tool was stopped: it wrote more than {workspace:g} GiB, or more than {files} files and folders",
        "If the network needs that much, raise workspace or file_count in [tool.cvimake.limits]\n"
        "(pyproject.toml).",
    ),
    Known(
        "killed",
        "killed",
        "the tool was killed by another program, or because the machine had no memory left (exit code 137)",
        "If the machine had no memory left, run fewer stages at the same time (./doit -n 1).",
    ),
    Known(
        "disk-full",
        _log(r"No space left on device"),
        "there is no space left for the tool's temporary files",
        "Without containers, free space on the disk of the build folder. In a container, /tmp has 1 GiB:\n"
        "try smaller [input] shapes or fewer samples (input_num).",
    ),
    Known(
        "file-limit",
        _log(r"File too large|File size limit exceeded"),
        "one of the tool's files would be larger than {workspace:g} GiB",
        "If the network needs that much, raise workspace in [tool.cvimake.limits] (pyproject.toml).",
    ),
    Known(
        "process-limit",
        _log(r"\[Errno 11\] Resource temporarily unavailable|can't start new thread"),
        "the tool could not start another process: the limit is {processes} processes",
        "Build again. If the error comes again, too many other processes run on this machine: end some\n"
        "of them (ulimit -u shows the limit).",
    ),
    Known(
        "old-glibc",
        _log(r"version `?(?P<version>GLIBC_[0-9.]+)'? not found"),
        "the toolchain's own C library is older than the system's: {version} not found",
        "Make the image again (./doit image --rebuild): its recipe removes that library.",
    ),
    Known(
        "foreign-checkpoint",
        _log(r"^the checkpoint's pickle names what no network of Ultralytics has: (?P<names>.+)$"),
        "the checkpoint names {names}, which no network of Ultralytics has; it was not opened any further",
        "Do not trust the file: it may run this on any machine that opens it. If it is your own, and its\n"
        "network has layers of your own, export it to ONNX where it was trained.",
    ),
    Known(
        "checkpoint-shape",
        _log(
            r"^the network cannot take the declared shape: (?P<declared>\S+) is declared, .* (?P<made>\S+)$"
        ),
        "the checkpoint's network cannot take [input] shapes {declared}: Ultralytics makes it {made}",
        "Declare {made}, or other sides that are multiples of the network's stride (mostly 32).",
    ),
    Known(
        "refused-checkpoint",
        _log(r"^Ultralytics cannot export the checkpoint: (?P<reason>.+)$"),
        "Ultralytics cannot export the checkpoint: {reason}",
        "If the file is damaged, copy it again. If Ultralytics can load it where it was trained, export it\n"
        "there: yolo export model=FILE.pt format=onnx opset=17 simplify=False.",
    ),
    Known(
        "unknown-output",
        _log(r"Error, can't find \[(?P<names>.+)\] in model"),
        "the network has no tensor {names}",
        "Correct [output] names. They are names of tensors, not of layers; `./doit view MODEL` shows them.",
    ),
    Known(
        "input-rank",
        _log(r"input shapes error:(?P<shapes>\[.*\]), (?P<network>\d+) vs (?P<declared>\d+)"),
        "[input] shapes = {shapes} declares {declared} inputs or axes, but the network has {network}",
        "Declare one shape for each input, each with all axes, the batch first.",
    ),
    Known(
        "dynamic-input",
        _log(r"Please check --input_shapes formula or check if there is any dynamic dim"),
        "the network does not fix the size of its input",
        "Declare the size, for example: [input] shapes = [[1, 3, 640, 640]].",
    ),
    Known(
        "wrong-channels",
        _log(
            r"Got invalid dimensions for input: (?P<input>\S+)(?: for the following indices)?\s+"
            r"index: 1 Got: (?P<got>[134]) Expected: (?P<expected>\d+)$"
        ),
        "the network's input {input} has {expected} channels, but the test input has {got}",
        'Set [input] pixel_format: "gray" for 1 channel, "rgb" or "bgr" for 3, "rgba" for 4. If\n'
        "[input] shapes declares another number of channels than the network has, correct it too.",
    ),
    Known(
        "test-input-shape",
        _log(
            r"Got invalid dimensions for input: (?P<input>\S+)(?: for the following indices)?\s+"
            r"index: (?P<axis>\d+) Got: (?P<got>\d+) Expected: (?P<expected>\d+)"
        ),
        "the test input for {input} has the size {got} on axis {axis} (from 0); the network needs {expected}",
        "Use a [verify] input of the size in [input] shapes, or correct [input] shapes.",
    ),
    Known(
        "test-input-rank",
        _log(r"Invalid rank for input: (?P<input>\S+) Got: (?P<got>\d+) Expected: (?P<expected>\d+)"),
        "the test input for {input} has {got} axes; the network needs {expected}",
        "Use a [verify] input with all axes of [input] shapes, the batch first.",
    ),
    Known(
        "sample-keys",
        _log(
            r"assert \((?:len\(x\.files\) == 1|input in x)\)"
            r"|^KeyError: '(?P<input>.+) is not a file in the archive'"
        ),
        "the npz of a sample does not have the network's inputs",
        "The npz needs one array for each input of the network, with the name of the input:\n"
        "numpy.savez(file, NAME=array, ...).",
    ),
    Known(
        "sample-input-count",
        _log(r"assert \(self\.input_num == len\(inputs\)\)"),
        "the number of files of a sample differs from the number of the network's inputs",
        "Each line of the list of samples needs one file for each input, separated by commas, or one npz.",
    ),
    Known(
        "sample-shape",
        _log(r"Tensor (?P<input>\S+) data need size: (?P<expected>\d+) , but set size: (?P<got>\d+)"),
        "a sample for {input} has the wrong shape: it has {got} bytes instead of {expected}",
        "Write the dataset's npy or npz files again: as float32, and in the shape of [input] shapes,\n"
        "with the axis of the batch.",
    ),
    Known(
        "fixed-shape",
        _log(r"\b(?P<operator>\w+)Op::shape_inference\(\): Assertion `(?P<check>[^']+)' failed"),
        "[input] shapes does not fit the network: its operator {operator} gets an impossible shape",
        "The network was exported for another input size. Leave [input] shapes out to use the exported\n"
        "size, or export the network with the size that you want.",
    ),
    Known(
        "unreadable-image",
        _log(r"in __load_image_and_resize(?s:.){0,200}'NoneType' object has no attribute 'shape'"),
        "an image cannot be read",
        "Check the images of [verify] input and of the dataset: one of them is cut off, or is not an image.",
    ),
    Known(
        "undecodable-image",
        _log(r"^ValueError: the image cannot be read.*\n(?P<image>.+): it could not be computed$"),
        "the image {image} of [accuracy] is damaged",
        "Save it anew, or remove it from its dataset.",
    ),
    Known(
        "killed-measurement",
        _log(r"^(?P<image>.+): the process that computed it was killed by signal (?P<signal>\d+)$"),
        "the process that ran the network on the image {image} was killed by signal {signal}",
        "If the machine had no memory left (signal 9), run fewer stages at the same time (./doit -n 1).",
    ),
    Known(
        "unfit-task",
        _log(r"^(?P<what>task = \"\w+\" in \[accuracy\] needs .+): (?P<remedy>declare task = .+)$"),
        "{what}",
        "In [accuracy], {remedy}, with labels for that task.",
    ),
    Known(
        "no-image-input",
        _log(r"'preprocess' object has no attribute 'channel_num'"),
        "the test input is an image, but the network's input does not have the shape of an image",
        "Check [input] shapes and channel_format, or use an npz or npy as test input.",
    ),
    Known(
        "unreadable-array",
        _log(r"Cannot load file containing pickled data|BadZipFile|Failed to read all data for array"),
        "an npz or npy file cannot be read",
        "Write it again with numpy.savez or numpy.save, from arrays of plain numbers.",
    ),
    Known(
        "npz-keys",
        _log(r"assert \((?:name in npz_in\.files|len\(self\.converter\.input_names\) == 1)\)"),
        "the npz of [verify] input does not have the network's inputs",
        "The npz needs one array for each input of the network, with the name of the input:\n"
        "numpy.savez(file, NAME=array, ...).",
    ),
    Known(
        "test-input-count",
        _log(r"assert \(len\((?:self\.test_input|file_list)\) == len\("),
        "the number of files in [verify] input differs from the number of the network's inputs",
        "List one file for each input, in the network's order, or one npz that has all inputs.",
    ),
    Known(
        "fused-test-input",
        _log(r"assert \(self\.test_input\[0\]\.endswith\(\('\.jpg', '\.jpeg', '\.png'\)\)\)"),
        "with fuse_preprocess the network takes an image, but the test input is not an image",
        "Use a .jpg, .jpeg or .png as test_input.",
    ),
    Known(
        "unsupported-operator",
        _log(r"Op not support:\{(?P<operators>.+)\}"),
        "tpu_mlir 1.7 does not have the operator {operators}",
        "Declare outputs before this operator ([output] names); the camera's CPU can compute the rest. Or\n"
        "export the network without this operator.",
        _OPERATORS,
    ),
    Known(
        "unsupported-by-processor",
        _log(r'"top\.(?P<operator>\w+)".* loc\("(?P<layer>[^"]+)"\)\s*unimplemented tpu dialect!'),
        "the processor cannot compute the operator {operator} of layer {layer}",
        "Declare outputs before this layer ([output] names), or train the network with another operator.",
    ),
    Known(
        "newer-opset",
        _log(
            r"'operand (?P<what>.+) not found'|Unsupport opset for (?P<operator>\w+)"
            r"|Opset (?P<opset>\d+) is under development"
        ),
        "the network uses an operator in a form that is newer than opset 17",
        "Export it with opset 17 (Ultralytics: yolo export opset=17; torch.onnx.export: opset_version=17).",
    ),
    Known(
        "no-kernel-shape",
        _log(r"^KeyError: 'kernel_shape'"),
        "a convolution has no attribute kernel_shape; ONNX allows that, tpu_mlir 1.7 does not",
        "Simplify the network with onnxslim or onnxsim, which add the attribute, or export it again.",
    ),
    Known(
        "external-data",
        _log(r"No such file or directory: '/workspace/(?P<file>[^']+)'\s*(?:\Z|\n(?! ))"),
        "the network's weights are in another file ({file}), but the tool only has the .onnx file",
        'Save it as one file: onnx.save(onnx.load("NETWORK.onnx"), "one.onnx").',
        _EXTERNAL_DATA,
    ),
    Known(
        "damaged-onnx",
        _log(r"google\.protobuf\.message\.DecodeError"),
        "the network's file is damaged or incomplete",
        "Export or download it again.",
    ),
    Known(
        "no-calibration-table",
        _log(r"can't open calibration table file"),
        "the compiler found no calibration table",
        "INT8 needs a calibration table: declare [calibration] dataset, or the variant's calibration_table.",
    ),
    Known(
        "foreign-calibration-table",
        _log(r"^\[Running\].*--import-calibration-table=(?:(?!^\[Running\])(?s:.))*CalibratedQuantizedType"),
        "the calibration table has no threshold for a layer: it belongs to another network or is no table",
        "Leave calibration_table out; then cvimake makes a table. Or use a table that was made from this\n"
        "network with the same outputs.",
    ),
    Known(
        "int8-uncalibrated",
        _log(r"^\[Running\].*mode=INT8(?:(?!^\[Running\])(?s:.))*CalibratedQuantizedType"),
        "the variant is INT8 and has no calibration table",
        "Declare [calibration] dataset, or the variant's calibration_table.",
    ),
    Known(
        "strip-list",
        _log(r"Entering StripIOQuantPass\.\s.*Invalid index!"),
        "quant_input_list or quant_output_list has a number that no input or output of the network has",
        "The first input and the first output have the number 1.",
    ),
    Known(
        "aligned-width",
        _log(r"cannot reshape array of size (?P<given>\d+) into shape \((?P<wanted>[\d,]+)\)"),
        "the compiled network needs padded rows (shape {wanted}), but the check has {given} values",
        "Leave aligned_input out, or use an input width whose rows are a multiple of 128 bytes.",
    ),
    Known(
        "raw-format",
        _log(r"unsupported pixel format|processed raw image should include|raw format not support"),
        "raw sensor formats do not work for these processors",
        "Use another customization_format, such as RGB_PACKED.",
    ),
    Known(
        "unknown-compare-layer",
        _log(r"^Can't find op name: (?P<layer>.+)$"),
        "global_compare_layers: the network has no layer {layer}",
        'Use the names of layers in build/MODEL/MODEL.mlir, in loc("...").',
    ),
    Known(
        "search-died",
        _log(r"^the search died: (?P<exception>.+)$"),
        "the qtable search failed with an exception: {exception}",
        "Lower expected_cos or min_layer_cos, so that the search tries fewer layers. Or name the float\n"
        'layers yourself, the least similar first: qtable = "FILE", with a line LAYER BF16 for each.',
    ),
    Known(
        "search-gave-up",
        _log(
            r"^the search gave up: a cosine of (?P<mix>\S+), (?P<expected>\S+) expected, "
            r"(?P<int8>\S+) for INT8; (?P<why>.+)\. (?P<remedy>[A-Z].+)$"
        ),
        "the search gave up at a cosine of {mix}, {expected} was expected (INT8 alone: {int8}): {why}",
        "{remedy} Without require_expected_cos the build continues with this result.",
    ),
    Known(
        "miscompiled",
        _log(r"^Target +\S+_model_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "the finished cvimodel does not compute what its MLIR says: a fault of the compiler",
        "Declare outputs before the post-processing ([output] names). The camera's CPU can compute the rest.",
    ),
    Known(
        "inexact-transform",
        _log(r"^Target +\S+_top_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "the MLIR does not compute what the network computes",
        "List in [verify] excepts the layers that may differ, lower [verify] tolerance, or declare outputs\n"
        "before these layers ([output] names).",
    ),
    Known(
        "nothing-found",
        _log(
            r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED(?s:.)*"
            r"^the float network's (?P<tensor>.+) is nearly constant, from (?P<least>\S+) to (?P<most>\S+)$"
        ),
        "with this test image even the float network finds nothing: its {tensor} is nearly constant, from\n"
        "{least} to {most}. The comparison failed because it compares rounding errors",
        "Use a test image in which the network finds something ([verify] input; `./doit init` looks for\n"
        "one), or declare outputs before the last sigmoid or softmax ([output] names).",
    ),
    Known(
        "tolerance-missed-bf16",
        _log(r"^Target +\S+_bf16_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "in BF16 the variant is less similar to the float network than its tolerance allows",
        "Lower tolerance to a little less than the reached value, or use a test image in which the network\n"
        "finds something ([verify] input). BF16 keeps 8 bits of each number, so a small difference of\n"
        "two large numbers is inexact. If the network computes such differences at its end, declare outputs\n"
        "before them ([output] names), and compute them on the camera's CPU.",
    ),
    Known(
        "tolerance-missed-mixed",
        _log(
            r"^\[Running\].*\bqtable=\S(?s:.)*"
            r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"
        ),
        "with its qtable the variant is less similar to the float network than its tolerance allows",
        "Lower tolerance, keep more layers float (raise expected_cos and min_layer_cos, or add lines to a\n"
        "qtable of your own), or calibrate with more or other samples.",
    ),
    Known(
        "tolerance-missed",
        _log(r"^Target +\S+_tpu_outputs\.npz\nReference .*\nnpz compare FAILED"),
        "the variant is less similar to the float network than its tolerance allows",
        "Lower tolerance, calibrate with more or other samples, or keep some layers float:\n"
        "qtable = {{ }} in the variant searches for these layers.",
    ),
    Known(
        "refused-layer",
        _log(r"^<unknown>:0: error: loc\(\"(?P<layer>[^\"]+)\"\): (?P<what>.+)$"),
        "the compiler refuses layer {layer}: {what}",
        "Export the network with another mode of this operator, or declare outputs before it\n"
        "([output] names).",
    ),
)
