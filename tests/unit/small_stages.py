"""Declarations of a model called net, and its stages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cvimake.core.action import Action
from cvimake.dodo import STAGES
from cvimake.pipeline.stage import Stage
from cvimake.project import DeclaredModel, read_declarations
from cvimake.toolchain import commands

FULL = """
source = "export/best.pt"
onnx_sim = "skip_fuse_bn"

[input]
shapes = [[1, 3, 640, 640], [1, 2]]
types = ["float32", "int32"]
resize_dims = [700, 720]
keep_aspect_ratio = true
keep_ratio_mode = "letterbox"
mean = [0, -0.5, 1.0]
scale = [0.0039216, 1.0, 1e-7]
pixel_format = "rgb"
channel_format = "nchw"
pad_value = 114
pad_type = "center"
preprocess_list = [1]

[output]
names = ["460", "459"]
add_postprocess = "yolov5"

[verify]
input = "../images/dog.jpg"
tolerance = [0.99, 0.98]
excepts = ["a", "b"]

[calibration]
dataset = "cats"
input_num = 100
tune_num = 5
tune_list = "tune.txt"
histogram_bin_num = 2048
debug_cmd = "use_percentile9999"

[deploy]
processor = "cv180x"

[variant.full]
quantize = "INT8"
quant_input = true
quant_output = true
quant_input_list = [1, 2]
quant_output_list = [2]
tolerance = [0.9, 0.8]
test_reference = "reference.npz"
excepts = ["c"]
compare_all = true
skip_validation = true
fuse_preprocess = true
customization_format = "RGB_PLANAR"
aligned_input = true
op_divide = true
ignore_f16_overflow = false
model_version = "1.2"
disable_layer_group = true
opt = 2
addr_mode = "auto"
num_core = 1
[variant.full.qtable]
dataset = "cats"
input_num = 10
fp_type = "BF16"
expected_cos = 0.999
min_layer_cos = 0.99
global_compare_layers = ["x:0.5", "y:0.5"]
debug_cmd = "z"
"""
SMALL = """
source = "net.onnx"
[verify]
input = "cat.png"
[calibration]
dataset = "cats"
[variant.f16]
quantize = "F16"
[variant.int8]
quantize = "INT8"
[variant.mix]
quantize = "INT8"
qtable = {}
"""


def declared(root: Path, text: str = SMALL) -> DeclaredModel:
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("models/net", "datasets/cats"):
        (root / folder).mkdir(parents=True)
    (root / "models/net/model.toml").write_text(text, encoding="utf-8")
    (root / "models/net/tune.txt").write_text("a.png\n", encoding="utf-8")
    (root / "models/net/list.txt").write_text("b.npz\na.npz,c.npz\n", encoding="utf-8")
    (root / "datasets/cats/dataset.toml").touch()
    for name in ("0.png", "1.png"):
        (root / "datasets/cats" / name).touch()
    return read_declarations(root).models["net"]


def stages_of(model: DeclaredModel) -> Iterator[Stage]:
    for stage in STAGES:
        yield from stage(model)


def definitions(model: DeclaredModel) -> dict[str, object]:
    """What decides the result of each stage, by its name."""
    return {
        stage.action.name.partition(":")[2]: (stage.action.definition(), stage.concluded_with)
        for stage in stages_of(model)
    }


def changed(before: DeclaredModel, after: DeclaredModel) -> set[str]:
    one, other = definitions(before), definitions(after)
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def action_of(model: DeclaredModel, name: str) -> Action:
    (action,) = [stage.action for stage in stages_of(model) if stage.action.name == f"net:{name}"]
    return action


def tool_of(action: Action) -> tuple[str, list[str]]:
    """The tool that an action runs, and its arguments."""
    ours = {"calibrate.py", "search.py"}
    script = next(word for word in action.argv if word.startswith(commands.ROOT) or word in ours)
    return Path(script).stem, list(action.argv[action.argv.index(script) + 1 :])
