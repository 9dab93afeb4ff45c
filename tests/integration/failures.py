"""Ways in which the toolchain really fails, each caused by a small project; the logs of the unit tests.

`python tests/integration/failures.py [CASE ...]` makes `tests/unit/data/logs/ID/CASE.log` anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from lab import ROOT
from networks import Network, save_images
from onnx import TensorProto, helper, numpy_helper

from cvimake.core.action import Action, Ending, Input, Limits
from cvimake.core.errors import StageFailedError
from cvimake.execution.engine import Command, Log, connection
from cvimake.execution.engine.docker import DockerEngine
from cvimake.execution.image import making
from cvimake.execution.image.recipe import Recipe
from cvimake.execution.logs import read_log
from cvimake.execution.sandbox import Sandbox
from cvimake.pipeline.stages import accuracy, calibration, cvimodel, info, mlir, qtable
from cvimake.project import read_declarations
from cvimake.toolchain import commands

LOGS = Path(__file__).resolve().parents[1] / "unit" / "data" / "logs"
# Of a long log, so many lines are kept of its beginning and end.
_FIRST, _LAST = 40, 120
STAGES = (mlir.stages, calibration.stages, qtable.stages, cvimodel.stages, info.stages, accuracy.stages)
DECLARATION = """
source = "net.onnx"
[input]
{shapes}
scale = [0.0039216, 0.0039216, 0.0039216]
pixel_format = "rgb"
{input}
{output}
[verify]
input = {test}
{verify}
[calibration]
{calibration}
[variant.v]
{variant}
{accuracy}
"""
F16 = 'quantize = "F16"'
INT8 = 'quantize = "INT8"'
SEARCH = "qtable = { expected_cos = 0.9999, min_layer_cos = 0.9999, "


@dataclass(frozen=True)
class Failure:
    """One way to fail.

    Attributes:
        id: of the known failure that it is.
        make: writes a project into an empty folder.
        change: makes of an action what the host's own checks would not let through.
    """

    id: str
    make: Callable[[Path], None]
    change: Callable[[Action], Action] = lambda action: action


def declare(folder: Path, **parts: str) -> Path:
    """Writes a declaration and images; returns the model's folder."""
    model = folder / "models" / "net"
    model.mkdir(parents=True)
    values = {
        "shapes": "shapes = [[1, 3, 32, 32]]", "input": "", "output": "", "verify": "",
        "test": '"images/0.png"', "calibration": 'data_list = "samples.txt"\ntune_num = 1', "variant": F16,
        "accuracy": "",
        **parts,
    }  # fmt: skip
    (model / "model.toml").write_text(DECLARATION.format(**values), encoding="utf-8")
    (model / "samples.txt").write_text("images/0.png\nimages/1.png\n", encoding="utf-8")
    save_images(model / "images")
    return model


def save_plain(path: Path, shape: tuple[int, ...] = (1, 3, 32, 32)) -> None:
    """Two convolutions and a pooling."""
    network = Network()
    tensor = network.conv("conv0", "images", (shape[1], 8))
    tensor = network.conv("conv1", tensor, (8, 8))
    network.node("GlobalAveragePool", "scores", tensor)
    network.save(path, {"images": list(shape)}, {"scores": [shape[0], 8, 1, 1]})


def plain(**parts: str) -> Callable[[Path], None]:
    return lambda folder: save_plain(declare(folder, **parts) / "net.onnx")


def with_operator(operator: str, **attributes: object) -> Callable[[Path], None]:
    """The plain network with one more operator before its end."""

    def make(folder: Path) -> None:
        network = Network()
        tensor = network.conv("conv0", "images", (3, 8))
        inputs = [tensor]
        if operator == "Mod":
            network.constant("two", np.array(2.0, dtype=np.float32))
            inputs.append("two")
        tensor = network.node(operator, "odd", *inputs, **attributes)
        network.conv("scores", tensor, (8, 8), relu=False)
        network.save(declare(folder) / "net.onnx", {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 32, 32]})

    return make


def rewritten(change: Callable[[onnx.ModelProto], None], **parts: str) -> Callable[[Path], None]:
    """The plain network, changed in a way that its checker would not allow."""

    def make(folder: Path) -> None:
        path = declare(folder, **parts) / "net.onnx"
        save_plain(path)
        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    return make


def and_file(make: Callable[[Path], None], write: Callable[[Path], None]) -> Callable[[Path], None]:
    """A project with one more file in the model's folder."""

    def both(folder: Path) -> None:
        make(folder)
        write(folder / "models" / "net")

    return both


def newer_opset(model: onnx.ModelProto) -> None:
    """As exporters write it since opset 18: the axes of a reduction are an input."""
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 20))
    model.ir_version = 9
    node = model.graph.node[-1]
    node.CopyFrom(
        helper.make_node("ReduceMean", [node.input[0], "axes"], ["scores"], name="pool", keepdims=1)
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes"))


def no_kernel_shape(model: onnx.ModelProto) -> None:
    del model.graph.node[0].attribute[:]
    model.graph.node[0].attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="net.onnx.data"))


def dynamic(model: onnx.ModelProto) -> None:
    for dimension, name in zip(
        model.graph.input[0].type.tensor_type.shape.dim, ("n", "c", "h", "w"), strict=True
    ):
        dimension.dim_param = name


def custom_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node[1].domain = "com.example"
    model.graph.node[1].op_type = "Swishy"


def arguments(**changes: str | None) -> Callable[[Action], Action]:
    """Replaces options of the tool; None takes one away, one that is not there is added."""

    def change(action: Action) -> Action:
        argv = list(action.argv)
        for name, value in changes.items():
            argv = [part for part in argv if not part.startswith(f"--{name}=") and part != f"--{name}"]
            if value is not None:
                argv.append(f"--{name}={value}" if value else f"--{name}")
        return dataclasses.replace(action, argv=tuple(argv))

    return change


def only(stage: str, change: Callable[[Action], Action]) -> Callable[[Action], Action]:
    return lambda action: change(action) if action.name.endswith(f":{stage}") else action


def limits(values: Limits) -> Callable[[Action], Action]:
    def change(action: Action) -> Action:
        return dataclasses.replace(action, limits=values)

    return change


def other_table(folder: Path) -> None:
    (folder / "table").write_text(
        "# generated\n# histogram number: 2048\n###\nsome_layer_Conv 2.5 -2.5 2.5\n", encoding="utf-8"
    )


def other_qtable(folder: Path) -> None:
    (folder / "qtable").write_text("# op_name   quantize_mode\nsome_layer_Conv BF16\n", encoding="utf-8")


def save_fixed(folder: Path) -> None:
    """A network that is bound to its input's size."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    network.reshape("scores", tensor, [1, 8192])
    network.save(
        declare(folder, shapes="shapes = [[1, 3, 48, 48]]") / "net.onnx",
        {"images": [1, 3, 32, 32]},
        {"scores": [1, 8192]},
    )


def save_unbalanced(
    folder: Path, variant: str = f"{INT8}\ntolerance = [0.999, 0.95]", factor: float = 1.0
) -> None:
    """Channels that lie far apart: in INT8, with one scale for all, the small ones are lost."""
    network = Network()
    channels = np.exp(network.random.normal(0.0, 1.0, 16)).astype(np.float32)
    column, row = channels[:, None, None, None], channels[None, :, None, None]
    tensor = network.conv("conv0", "images", (3, 16), scale=column)
    for index in range(1, 7):
        tensor = network.conv(f"conv{index}", tensor, (16, 16), scale=column / row)
    tensor = network.conv("conv7", tensor, (16, 8), scale=1 / row)
    pooled = network.node("GlobalAveragePool", "scores" if factor == 1 else "pooled", tensor)
    if factor != 1:
        network.constant("factor", np.array(factor, dtype=np.float32))
        network.node("Mul", "scores", pooled, "factor")
    model = declare(folder, variant=variant)
    network.save(model / "net.onnx", {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 1, 1]})


def two_inputs(folder: Path, test: str = '"images/0.png"', variant: str = F16) -> None:
    network = Network()
    left = network.conv("conv0", "left", (3, 8))
    right = network.conv("conv1", "right", (3, 8))
    network.node("Add", "scores", left, right)
    shape = [1, 3, 32, 32]
    shapes = "shapes = [[1, 3, 32, 32], [1, 3, 32, 32]]"
    network.save(
        declare(folder, shapes=shapes, test=test, variant=variant) / "net.onnx",
        {"left": shape, "right": shape}, {"scores": [1, 8, 32, 32]},
    )  # fmt: skip


def two_arrays(folder: Path) -> None:
    values = np.zeros((1, 3, 32, 32), dtype=np.float32)
    np.savez(folder / "in.npz", left=values, wrong=values)


def save_search_dies(folder: Path) -> None:
    """Shapes between convolutions: where those before stay float, the search loses their outputs."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    tensor = network.conv("conv1", tensor, (8, 12), relu=False)
    tensor = network.reshape("split", tensor, [1, 3, 4, 32, 32])
    tensor = network.node("Transpose", "transpose", tensor, perm=[0, 2, 1, 3, 4])
    tensor = network.reshape("join", tensor, [1, 12, 32, 32])
    for index, entering in enumerate((12, 8, 8, 8, 8, 8), 2):
        tensor = network.conv(f"conv{index}", tensor, (entering, 8))
    network.node("GlobalAveragePool", "scores", tensor)
    model = declare(folder, variant=f"{INT8}\nqtable = {{ expected_cos = 1.0, min_layer_cos = 1.0 }}")
    network.save(model / "net.onnx", {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 1, 1]})


def array(name: str, shape: tuple[int, ...], key: str = "images") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        values = np.random.default_rng(2).random(shape).astype(np.float32)
        if name.endswith(".npy"):
            np.save(folder / name, values)
        else:
            np.savez(folder / name, allow_pickle=False, **{key: values})

    return write


def text_in(name: str, text: str = "no such thing") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return write


def measured(folder: Path) -> None:
    """The plain network, which the camera takes for a classifier, with images to measure it on."""
    plain(accuracy='[accuracy]\ndataset = "measured"')(folder)
    dataset = folder / "datasets" / "measured"
    save_images(dataset)
    (dataset / "dataset.toml").write_text('files = ["*.png"]\n', encoding="utf-8")


def damaged_in_the_middle(folder: Path) -> None:
    """An image whose beginning and end are right, so that only its decoder notices the damage."""
    measured(folder)
    path = folder / "datasets" / "measured" / "1.png"
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\0" * 64 + data[-12:])


def labelled_with_boxes(folder: Path) -> None:
    measured(folder)
    dataset = folder / "datasets" / "measured"
    (dataset / "dataset.toml").write_text('files = ["*.png"]\nlabels = "labels"\n', encoding="utf-8")
    (dataset / "labels").mkdir()
    (dataset / "labels" / "0.txt").write_text("0 0.5 0.5 0.5 0.5\n", encoding="utf-8")


def sampled(make: Callable[[Path], None], write: Callable[[Path], None]) -> Callable[[Path], None]:
    """A project with one more file, in.npz, as its only sample."""
    return and_file(and_file(make, write), text_in("samples.txt", "in.npz\n"))


def half_of(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return write


def sized(shape: tuple[int, ...], variant: str = F16) -> Callable[[Path], None]:
    """The plain network for inputs of another shape."""
    return lambda folder: save_plain(
        declare(folder, shapes=f"shapes = [{list(shape)}]", variant=variant) / "net.onnx", shape
    )


def save_cubic(folder: Path) -> None:
    """A resize that the compiler does not know."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    network.constant("scales", np.array([1, 1, 2, 2], dtype=np.float32))
    network.node(
        "Resize", "scores", tensor, "", "scales", mode="cubic", coordinate_transformation_mode="asymmetric"
    )
    network.save(declare(folder) / "net.onnx", {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 64, 64]})


def save_inexact(folder: Path) -> None:
    """The difference of what is equal but for rounding: no two programs round alike."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    weights = network.random.normal(0.0, 1000.0, (8, 8, 3, 3)).astype(np.float32)
    halves = [weights.copy(), weights.copy()]
    halves[0][:, 4:], halves[1][:, :4] = 0, 0
    names = []
    for name, value in (("whole", weights), ("first", halves[0]), ("second", halves[1])):
        network.constant(f"{name}.weight", value)
        names.append(
            network.node("Conv", name, tensor, f"{name}.weight", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        )
    whole, first, second = names
    network.node("Sub", "scores", network.node("Add", "sum", first, second), whole)
    network.save(declare(folder) / "net.onnx", {"images": [1, 3, 32, 32]}, {"scores": [1, 8, 32, 32]})


def newer_split(folder: Path) -> None:
    """A split into so many parts, as opset 18 writes it."""
    network = Network()
    tensor = network.conv("conv0", "images", (3, 8))
    network.nodes.append(
        helper.make_node("Split", [tensor], ["scores", "rest"], name="split", axis=1, num_outputs=2)
    )
    path = declare(folder) / "net.onnx"
    shape = [1, 4, 32, 32]
    graph = helper.make_graph(
        network.nodes, "net", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("scores", "rest")],
        network.initialisers,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)]), path)


def miscompiled(folder: Path) -> None:
    """A face detector with its box decoding; it is not part of the project."""
    model = declare(folder, shapes="shapes = [[1, 3, 240, 320]]")
    shutil.copy(ROOT.parent / "shared" / "data" / "models" / "ultraface_rfb320.onnx", model / "net.onnx")


def instead(command: str) -> Callable[[Action], Action]:
    """The same stage with a command of ours in the place of its tool."""
    start = len(commands.DETERMINISTIC)
    return lambda action: dataclasses.replace(action, argv=(*action.argv[:start], "sh", "-c", command))


def large_file(action: Action) -> Action:
    """A command that writes one file of more than a stage's files may take."""
    limited = dataclasses.replace(action, limits=Limits(workspace=1024**2))
    return instead("""python3 -c 'open("zeros", "wb").write(bytes(2 * 1024**2))'""")(limited)


def with_input(action: Action, name: str) -> Action:
    """The same stage with one more file, from beside its network."""
    path = next(file.path for file in action.inputs if file.name.startswith("test_input")).parents[1] / name
    return dataclasses.replace(action, inputs=(*action.inputs, Input(name=name, path=path)))


def old_glibc(action: Action) -> Action:
    """The C library that the wheel carries, before the system's, as the wheel's own scripts put it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
             "--python-version=3.10",
             "-d", folder, "tpu_mlir==1.7"], check=True,
        )  # fmt: skip
        (wheel,) = Path(folder).glob("*.whl")
        kept = Path(tempfile.mkdtemp()) / "libc.so.6"
        kept.write_bytes(zipfile.ZipFile(wheel).read("tpu_mlir/lib/third_party/libc.so.6"))
    library = f"/workspace:{action.environment['LD_LIBRARY_PATH']}"
    return dataclasses.replace(
        instead('LD_LIBRARY_PATH="$OLD" exec python3 -c 1')(action),
        environment={**action.environment, "OLD": library},
        inputs=(*action.inputs, Input(name="libc.so.6", path=kept)),
    )


# The evaluation's own function, with one image whose process ends as if memory had run out.
KILLED = """python3 -c 'import os
from evaluation.process_each import each
list(each(["1.png"], lambda _: os.kill(os.getpid(), 9), 1))'"""
NPZ_TEST = {"test": '"in.npz"'}
TWO_FROM_NPZ = functools.partial(two_inputs, test='"in.npz"')
TWO_INT8 = functools.partial(two_inputs, test='["images/0.png", "images/1.png"]', variant=INT8)
SHAPE = (1, 3, 32, 32)
SMALLER = (1, 3, 16, 16)
FAILURES: dict[str, Failure] = {
    # The tool itself is only given names for networks that are no ONNX; of these the check before it tells.
    "unknown-output": Failure("unknown-output", plain(), only("mlir", arguments(output_names="conv1_rleu"))),
    "input-rank": Failure("input-rank", plain(shapes="shapes = [[1, 3, 32]]")),
    "input-count": Failure("input-rank", plain(shapes="shapes = [[1, 3, 32, 32], [1, 3, 32, 32]]")),
    "fixed-shape": Failure("fixed-shape", save_fixed),
    "dynamic-input": Failure("dynamic-input", rewritten(dynamic, shapes="")),
    "wrong-channels": Failure("wrong-channels", plain(shapes="shapes = [[1, 1, 32, 32]]")),
    "gray-network": Failure("wrong-channels", sized((1, 1, 32, 32))),
    "text-for-image": Failure("unreadable-image", and_file(plain(), text_in("images/0.png"))),
    "half-image": Failure("unreadable-image", and_file(plain(), half_of("images/0.png"))),
    "text-for-sample": Failure("unreadable-image", and_file(plain(variant=INT8), text_in("images/1.png"))),
    "npz-of-one": Failure("npz-keys", and_file(TWO_FROM_NPZ, array("in.npz", SHAPE))),
    "npz-of-others": Failure("npz-keys", and_file(TWO_FROM_NPZ, two_arrays)),
    "npz-shape": Failure("test-input-shape", and_file(plain(**NPZ_TEST), array("in.npz", SMALLER))),
    "npy-shape": Failure("test-input-shape", and_file(plain(test='"in.npy"'), array("in.npy", SMALLER))),
    "text-for-npz": Failure("unreadable-array", and_file(plain(**NPZ_TEST), text_in("in.npz"))),
    "half-npz": Failure(
        "unreadable-array", and_file(and_file(plain(**NPZ_TEST), array("in.npz", SHAPE)), half_of("in.npz"))
    ),
    "sample-shape": Failure(
        "sample-shape",
        and_file(and_file(plain(variant=INT8), array("s.npy", SMALLER)), text_in("samples.txt", "s.npy\n")),
    ),
    "npy-rank": Failure("test-input-rank", and_file(plain(test='"in.npy"'), array("in.npy", SHAPE[1:]))),
    "npz-rank": Failure("test-input-rank", and_file(plain(**NPZ_TEST), array("in.npz", SHAPE[1:]))),
    "sample-of-two": Failure("sample-keys", sampled(plain(variant=INT8), two_arrays)),
    "sample-of-others": Failure("sample-keys", sampled(TWO_INT8, two_arrays)),
    "search-of-others": Failure(
        "sample-keys",
        sampled(
            plain(variant=f"{INT8}\nqtable = {{ min_layer_cos = 0.9999 }}"),
            array("in.npz", SHAPE, key="other"),
        ),
    ),
    "sample-of-one": Failure(
        "sample-input-count",
        and_file(sampled(TWO_INT8, array("s.npy", SHAPE)), text_in("samples.txt", "s.npy\n")),
    ),
    "two-inputs": Failure("test-input-count", two_inputs),
    "damaged-image": Failure("undecodable-image", damaged_in_the_middle),
    "killed-measurement": Failure("killed-measurement", measured, only("float_accuracy", instead(KILLED))),
    "boxes-for-classifier": Failure("unfit-task", labelled_with_boxes),
    "no-image-input": Failure("no-image-input", plain(), only("mlir", arguments(channel_format="nhwc"))),
    "fused-test-input": Failure(
        "fused-test-input",
        and_file(plain(variant=f"{F16}\nfuse_preprocess = true"), array("in.npz", SHAPE)),
        only("v", lambda action: with_input(arguments(test_input="in.npz")(action), "in.npz")),
    ),
    "other-table": Failure(
        "foreign-calibration-table",
        and_file(plain(variant=f'{INT8}\ncalibration_table = "table"'), other_table),
    ),
    "text-for-table": Failure(
        "foreign-calibration-table",
        and_file(plain(variant=f'{INT8}\ncalibration_table = "table"'), text_in("table")),
    ),
    "no-table": Failure(
        "no-calibration-table", plain(variant=INT8), only("v", arguments(calibration_table="elsewhere"))
    ),
    "int8-without-table": Failure(
        "int8-uncalibrated", plain(variant=INT8), only("v", arguments(calibration_table=None))
    ),
    "tolerance": Failure("tolerance-missed", save_unbalanced),
    "nothing-found": Failure("nothing-found", functools.partial(save_unbalanced, factor=1e-4)),
    "tolerance-bf16": Failure(
        "tolerance-missed-bf16",
        functools.partial(save_unbalanced, variant='quantize = "BF16"\ntolerance = [0.99999999, 0.99999]'),
    ),
    "tolerance-mixed": Failure(
        "tolerance-missed-mixed",
        functools.partial(
            save_unbalanced, variant=f"{INT8}\n{SEARCH}input_num = 2 }}\ntolerance = [0.9999, 0.99]"
        ),
    ),
    "tolerance-of-layers": Failure(
        "tolerance-missed",
        functools.partial(save_unbalanced, variant=f"{INT8}\ntolerance = [0.999, 0.95]\ncompare_all = true"),
    ),
    "inexact-transform": Failure("inexact-transform", save_inexact),
    "miscompiled": Failure("miscompiled", miscompiled),
    "out-of-memory": Failure("out-of-memory", plain(), limits(Limits(memory=100 * 1024**2))),
    # A tool of its own speed is sometimes done before that.
    "time-limit": Failure(
        "time-limit", plain(), lambda action: instead("sleep 60")(limits(Limits(seconds=1.0))(action))
    ),
    "workspace-limit": Failure("workspace-limit", plain(), limits(Limits(files=3))),
    "file-limit": Failure("file-limit", plain(), large_file),
    "killed": Failure("killed", plain(), instead("sh -c 'kill -9 $$'; exit $?")),
    "disk-full": Failure("disk-full", plain(), instead("head -c 2G /dev/zero >/tmp/zeros")),
    "process-limit": Failure("process-limit", plain(), limits(Limits(processes=3))),
    "old-glibc": Failure("old-glibc", plain(), old_glibc),
    "mod": Failure("unsupported-operator", with_operator("Mod", fmod=1)),
    "shrink": Failure("unsupported-operator", with_operator("Shrink")),
    "custom-operator": Failure("unsupported-operator", rewritten(custom_domain)),
    "sin": Failure("unsupported-by-processor", with_operator("Sin")),
    "erf": Failure("unsupported-by-processor", with_operator("Erf")),
    "newer-opset": Failure("newer-opset", rewritten(newer_opset)),
    "newer-split": Failure("newer-opset", newer_split),
    "no-kernel-shape": Failure("no-kernel-shape", rewritten(no_kernel_shape)),
    "external-data": Failure("external-data", rewritten(external)),
    "half-network": Failure("damaged-onnx", and_file(plain(), half_of("net.onnx"))),
    "aligned-width": Failure(
        "aligned-width",
        sized((1, 3, 32, 96), f'{F16}\nfuse_preprocess = true\ncustomization_format = "RGB_PACKED"'),
        only("v", arguments(aligned_input="")),
    ),
    "raw-test-image": Failure(
        "raw-format",
        plain(variant=f"{F16}\nfuse_preprocess = true"),
        only("v", arguments(customization_format="RGGB_RAW")),
    ),
    "raw-format": Failure(
        "raw-format",
        plain(variant=f"{F16}\nfuse_preprocess = true\ntest_input = []"),
        only("v", arguments(customization_format="RGGB_RAW")),
    ),
    "strip-list": Failure(
        "strip-list", plain(variant=f"{F16}\nquant_output = true\nquant_output_list = [7]")
    ),
    "unknown-compare-layer": Failure(
        "unknown-compare-layer",
        plain(variant=f'{INT8}\n{SEARCH}global_compare_layers = ["nosuch"] }}'),
    ),
    "search-died": Failure("search-died", save_search_dies),
    "search-gave-up": Failure(
        "search-gave-up",
        functools.partial(
            save_unbalanced,
            variant=f"{INT8}\n{SEARCH}require_expected_cos = true }}",
        ),
    ),
    "cubic": Failure("refused-layer", save_cubic),
}


class RecordingEngine(DockerEngine):
    """An engine that remembers how its last command ended."""

    ending: Ending | None = None

    def run(self, command: Command, log: Log) -> Ending:
        self.ending = super().run(command, log)
        return self.ending


@dataclass(frozen=True)
class Failed:
    """A stage that really failed.

    Attributes:
        error: what a user is told.
        ending: how the engine says that it ended.
        lines: what it printed.
    """

    error: StageFailedError
    ending: Ending
    lines: list[str]
    limits: Limits

    def log(self) -> str:
        """What the unit tests read: the ending as JSON, and the lines; of many the middle is left out."""
        lines = self.lines
        if len(lines) > _FIRST + _LAST:
            lines = [*lines[:_FIRST], "...", *lines[-_LAST:]]
        return "\n".join([json.dumps(dataclasses.asdict(self.ending)), *lines, ""])


def fail(failure: Failure, root: Path, engine: RecordingEngine, image_id: str) -> Failed:
    """Builds a project until it fails."""
    failure.make(root)
    (model,) = read_declarations(root).models.values()
    sandbox = Sandbox(root=root, engine=engine, image=image_id)
    # As it is: the conversion would refuse some of them before the toolchain does.
    converted = root / "build" / model.name / f"{model.name}.onnx"
    converted.parent.mkdir(parents=True)
    shutil.copy(model.source, converted)
    for stage_of in STAGES:
        for stage in stage_of(model):
            action = failure.change(stage.action)
            try:
                sandbox.run(action)
            except StageFailedError as error:
                assert engine.ending is not None
                lines = read_log(sandbox.log_path(action))[1]
                return Failed(error, engine.ending, lines, action.limits)
    raise AssertionError("nothing failed")


def main(names: list[str]) -> None:
    """Makes the logs anew, and prints what a user is told."""
    with contextlib.closing(connection.find(os.environ)) as client:
        found = making.find(client, Recipe.from_environment(os.environ))
        if found is None:
            raise SystemExit("the toolchain image is not there: run ./doit image")
        for name in names or FAILURES:
            with tempfile.TemporaryDirectory() as folder:
                failure = FAILURES[name]
                failed = fail(failure, Path(folder), RecordingEngine(client, os.environ), found.id)
            kept = LOGS / failure.id / f"{name}.log"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(failed.log(), encoding="utf-8")
            sys.stdout.write(f"{name}\n{failed.error}\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
