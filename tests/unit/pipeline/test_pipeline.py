from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvimake import pipeline
from cvimake.core.action import Action, FileKind
from cvimake.pipeline.checks import network as network_check
from cvimake.pipeline.stage import Stage, StageOf
from cvimake.project import DeclaredModel, read_declarations
from cvimake.project.networks import check
from cvimake.toolchain import tools

STAGES: tuple[StageOf, ...] = (
    pipeline.onnx,
    pipeline.mlir,
    pipeline.calibration,
    pipeline.qtable,
    pipeline.cvimodel,
    pipeline.info,
)
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
    script = next(word for word in action.argv if word.startswith(tools.ROOT) or word in ours)
    return Path(script).stem, list(action.argv[action.argv.index(script) + 1 :])


# Exactly what runs


def test_a_full_declaration_is_this_transform(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "mlir")
    assert action.argv[: len(tools.DETERMINISTIC)] == tools.DETERMINISTIC
    assert tool_of(action) == (
        "model_transform",
        [
            "--model_name=net",
            "--model_def=_source.pt",
            "--input_shapes=[[1,3,640,640],[1,2]]",
            "--input_types=float32,int32",
            "--resize_dims=700,720",
            "--keep_aspect_ratio",
            "--keep_ratio_mode=letterbox",
            "--mean=0.0,-0.5,1.0",
            "--scale=0.0039216,1.0,1e-07",
            "--pixel_format=rgb",
            "--channel_format=nchw",
            "--pad_value=114",
            "--pad_type=center",
            "--preprocess_list=1",
            "--output_names=460,459",
            "--add_postprocess=yolov5",
            "--onnx_sim=skip_fuse_bn",
            "--test_input=test_input.jpg",
            "--test_result=net_top_outputs.npz",
            "--tolerance=0.99,0.98",
            "--excepts=a,b",
            "--mlir=net.mlir",
        ],
    )


def test_the_conversion_ends_the_network_in_the_declared_outputs(tmp_path: Path) -> None:
    """The transform would give them an order of its own."""
    model = declared(tmp_path, SMALL + '[output]\nnames = ["b", "a"]\n')
    assert '--outputs=["b","a"]' in action_of(model, "onnx").argv
    assert not [word for word in action_of(model, "mlir").argv if word.startswith("--output_names")]
    model = declared(tmp_path, SMALL + "[output]\nrelative_boxes = true\n")
    assert "--relative-boxes" in action_of(model, "onnx").argv


def test_an_onnx_source_is_converted_by_this_command(tmp_path: Path) -> None:
    text = SMALL + "[input]\nshapes = [[1, 3, 32, 32]]\n[onnx]\nopset = 15\nir = 7\n"
    action = action_of(declared(tmp_path, text), "onnx")
    start = len(tools.DETERMINISTIC)
    assert action.argv[start:] == (
        "env", "PYTHONPATH=/program", "/opt/tpu_mlir/onnx/bin/python3", "-m", "onnx_downgrade",
        "_source.onnx", "net.onnx", "net_onnx.json", "--opset=15", "--ir=7", "--input-shapes=[[1,3,32,32]]",
        "--fixed",
    )  # fmt: skip
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH"} & action.environment.keys()
    (program,) = action.folders
    assert "onnx_downgrade/__main__.py" in program.files
    assert all(path.is_file() for path in program.files.values())


def test_the_transform_reads_the_converted_network(tmp_path: Path) -> None:
    sources = {file.name: file.path for file in action_of(declared(tmp_path), "mlir").inputs}
    assert sources["_source.onnx"] == Path("build/net/net.onnx")


def test_weights_in_files_of_their_own_lie_beside_the_source(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + '[onnx]\nexternal_data = ["weights/all.bin"]\n')
    action = action_of(model, "onnx")
    assert action.folders[1].target == "/external"
    assert action.folders[1].files == {"weights/all.bin": tmp_path / "models/net/weights/all.bin"}
    assert "--external=/external" in action.argv
    assert model.missing


def test_the_files_that_exporters_write_are_found(tmp_path: Path) -> None:
    model = declared(tmp_path)
    (model.folder / "net.onnx.data").touch()
    model = read_declarations(tmp_path).models["net"]
    assert action_of(model, "onnx").folders[1].files.keys() == {"net.onnx.data"}


def test_other_sources_are_not_converted(tmp_path: Path) -> None:
    assert not list(pipeline.onnx(declared(tmp_path, FULL)))


def test_a_full_declaration_is_this_calibration(tmp_path: Path) -> None:
    assert tool_of(action_of(declared(tmp_path, FULL), "calibration")) == (
        "calibrate",
        [
            "net.mlir",
            "--dataset=/dataset",
            "--input_num=100",
            "--tune_list=tune_list.txt",
            "--tune_num=5",
            "--histogram_bin_num=2048",
            "--debug_cmd=use_percentile9999",
            "--calibration_table=net_calibration_table",
        ],
    )


def test_a_full_declaration_is_this_search(tmp_path: Path) -> None:
    assert tool_of(action_of(declared(tmp_path, FULL), "full_qtable")) == (
        "search",
        [
            "net.mlir",
            "--dataset=/dataset",
            "--input_num=10",
            "--calibration_table=net_calibration_table",
            "--processor=cv180x",
            "--fp_type=BF16",
            "--expected_cos=0.999",
            "--min_layer_cos=0.99",
            "--global_compare_layers=x:0.5,y:0.5",
            "--loss_table=net_cv180x_full_loss_table.txt",
            "--debug_cmd=z",
            "--quantize_table=net_cv180x_full_qtable",
        ],
    )


def test_a_full_declaration_is_this_deployment(tmp_path: Path) -> None:
    assert tool_of(action_of(declared(tmp_path, FULL), "full")) == (
        "model_deploy",
        [
            "--mlir=net.mlir",
            "--quantize=INT8",
            "--processor=cv180x",
            "--calibration_table=net_calibration_table",
            "--quantize_table=net_cv180x_full_qtable",
            "--quant_input",
            "--quant_output",
            "--quant_input_list=1,2",
            "--quant_output_list=2",
            "--fuse_preprocess",
            "--customization_format=RGB_PLANAR",
            "--aligned_input",
            "--op_divide",
            "--disable_layer_group",
            "--opt=2",
            "--addr_mode=auto",
            "--num_core=1",
            "--model_version=1.2",
            "--test_input=test_input.jpg",
            "--test_reference=test_reference.npz",
            "--tolerance=0.9,0.8",
            "--excepts=c",
            "--compare_all",
            "--skip_validation",
            "--model=net_cv180x_full.cvimodel",
        ],
    )


def test_what_is_in_a_cvimodel_is_asked_for_by_this_command(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "full_info")
    assert action.argv == tools.info_command(
        "net_cv180x_full.cvimodel", "net_cv180x_full_info.txt", "net_cv180x_full_time.json"
    )


def test_what_is_not_declared_is_left_to_the_tool(tmp_path: Path) -> None:
    model = declared(tmp_path)
    given = {
        name: [argument.partition("=")[0] for argument in tool_of(action_of(model, name))[1]]
        for name in ("mlir", "calibration", "mix_qtable", "int8")
    }
    assert given == {
        "mlir": ["--model_name", "--model_def", "--test_input", "--test_result", "--mlir"],
        "calibration": ["net.mlir", "--dataset", "--calibration_table"],
        "mix_qtable": [
            "net.mlir", "--dataset", "--calibration_table", "--processor", "--loss_table", "--quantize_table",
        ],
        "int8": [
            "--mlir", "--quantize", "--processor", "--calibration_table", "--test_input", "--test_reference",
            "--model",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("declared_as", "passed"), [("F16", "BF16"), ("BF16", "BF16"), ("INT8", "INT8")])
def test_f16_is_bf16_on_these_processors(tmp_path: Path, declared_as: str, passed: str) -> None:
    model = declared(tmp_path, SMALL.replace('"F16"', f'"{declared_as}"'))
    assert f"--quantize={passed}" in action_of(model, "f16").argv


# Files


def test_a_models_stages_and_their_files(tmp_path: Path) -> None:
    model = declared(tmp_path)
    found = {
        stage.action.name.partition(":")[2]: [file.path.name for file in stage.action.outputs]
        for stage in stages_of(model)
    }
    assert found == {
        "onnx": ["net.onnx", "net_onnx.json"],
        "mlir": ["net.mlir", "net_top_f32_all_weight.npz", "net_top_outputs.npz"],
        "calibration": ["net_calibration_table"],
        "mix_qtable": [
            "net_cv181x_mix_qtable",
            "net_cv181x_mix_loss_table.txt",
            "net_cv181x_mix_search.json",
        ],
        **{
            name: [f"net_cv181x_{name}.cvimodel", f"net_cv181x_{name}_validation.json"]
            for name in ("f16", "int8", "mix")
        },
        **{
            f"{name}_info": [f"net_cv181x_{name}_info.txt", f"net_cv181x_{name}_time.json"]
            for name in ("f16", "int8", "mix")
        },
    }


def test_the_weights_are_called_as_the_tool_calls_them(tmp_path: Path) -> None:
    model = dataclasses.replace(declared(tmp_path), name="FastestDet")
    actions = {stage.action.name.partition(":")[2]: stage.action for stage in stages_of(model)}
    assert "fastestdet_top_f32_all_weight.npz" in [file.name for file in actions["mlir"].outputs]
    assert "fastestdet_top_f32_all_weight.npz" in [file.name for file in actions["int8"].inputs]


@pytest.mark.parametrize("name", ["source", "run_tool", "test_input"])
def test_no_stage_writes_over_what_it_reads(tmp_path: Path, name: str) -> None:
    for stage in stages_of(dataclasses.replace(declared(tmp_path), name=name)):
        read = {file.name for file in stage.action.inputs}
        assert not read & {file.name for file in stage.action.outputs}


def test_every_output_lies_in_the_models_build_folder_under_its_own_name(tmp_path: Path) -> None:
    for stage in stages_of(declared(tmp_path)):
        for file in stage.action.outputs:
            assert file.path == Path("build/net") / file.name


def test_a_cvimodel_must_be_one(tmp_path: Path) -> None:
    assert action_of(declared(tmp_path), "int8").outputs[0].kind is FileKind.CVIMODEL


def test_the_users_files_are_read_under_names_of_ours(tmp_path: Path) -> None:
    model = declared(tmp_path, FULL)
    folder = tmp_path / "models/net"
    names = {file.name: file.path for name in ("mlir", "full") for file in action_of(model, name).inputs}
    assert names["_source.pt"] == folder / "export/best.pt"
    assert names["test_input.jpg"] == folder / "../images/dog.jpg"
    assert names["test_reference.npz"] == folder / "reference.npz"


def test_an_images_suffix_is_in_the_letters_that_the_tool_knows(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, SMALL.replace("cat.png", "CAT.JPG")), "mlir")
    assert "--test_input=test_input.jpg" in action.argv


@pytest.mark.parametrize(
    ("variant", "tables"),
    [
        ("f16", set()),
        ("int8", {"net_calibration_table"}),
        ("mix", {"net_calibration_table", "net_cv181x_mix_qtable"}),
    ],
)
def test_a_cvimodel_is_made_from_the_network_and_its_variants_tables(
    tmp_path: Path, variant: str, tables: set[str]
) -> None:
    names = {file.name for file in action_of(declared(tmp_path), variant).inputs}
    network = {"net.mlir", "net_top_f32_all_weight.npz", "net_top_outputs.npz", "test_input.png"}
    assert names - {"run_tool.py"} == network | tables


def test_every_input_in_the_build_folder_is_an_output_of_another_stage(tmp_path: Path) -> None:
    stages = list(stages_of(declared(tmp_path)))
    written = {file.path for stage in stages for file in stage.action.outputs}
    written |= {path for stage in stages for path in stage.concluded}
    read = {path for stage in stages for path in (*stage.action.paths(), *stage.also_read)}
    assert {path for path in read if path.parts[0] == "build"} <= written


def test_tables_of_the_users_own_take_the_place_of_the_stages(tmp_path: Path) -> None:
    text = SMALL.replace("qtable = {}", 'qtable = "tables/mine"\ncalibration_table = "cal.txt"')
    model = declared(tmp_path, text)
    inputs = {file.name: file.path for file in action_of(model, "mix").inputs}
    assert inputs["quantize_table"] == tmp_path / "models/net/tables/mine"
    assert inputs["calibration_table.txt"] == tmp_path / "models/net/cal.txt"
    assert "mix_qtable" not in definitions(model)


def test_without_int8_nothing_is_calibrated(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL.partition("[variant.int8]")[0])
    assert set(definitions(model)) == {"onnx", "mlir", "f16", "f16_info"}


def test_another_test_input_has_the_reference_that_the_tool_makes_of_it(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + 'test_input = ["a.npy", "b.npy"]\n')
    action = action_of(model, "mix")
    assert "--test_input=test_input0.npy,test_input1.npy" in action.argv
    assert not [word for word in action.argv if "test_reference" in word]


def test_a_caffe_network_is_two_files(tmp_path: Path) -> None:
    text = SMALL.replace('"net.onnx"', '"n.prototxt"\nweights = "n.caffemodel"')
    action = action_of(declared(tmp_path, text), "mlir")
    assert {"--model_def=_source.prototxt", "--model_data=net_source.caffemodel"} <= set(action.argv)
    assert {"_source.prototxt", "net_source.caffemodel"} <= {file.name for file in action.inputs}


# Samples


def test_a_datasets_samples_lie_at_one_place_in_every_project(tmp_path: Path) -> None:
    (folder,) = action_of(declared(tmp_path), "calibration").folders
    assert folder.target == "/dataset"
    assert dict(folder.files) == {name: tmp_path / "datasets/cats" / name for name in ("0.png", "1.png")}


def test_a_list_names_its_samples_where_they_lie_in_the_container(tmp_path: Path) -> None:
    text = SMALL.replace('dataset = "cats"', 'data_list = "list.txt"')
    action = action_of(declared(tmp_path, text), "calibration")
    assert [(file.name, file.text) for file in action.texts] == [
        ("data_list.txt", "/dataset/b.npz\n/dataset/a.npz,/dataset/c.npz\n")
    ]
    assert "--data_list=data_list.txt" in action.argv
    assert set(action.folders[0].files) == {"a.npz", "b.npz", "c.npz"}


def test_a_tune_list_has_a_place_of_its_own(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "calibration")
    assert [(file.name, file.text) for file in action.texts] == [("tune_list.txt", "/tune/a.png\n")]
    assert [folder.target for folder in action.folders] == ["/dataset", "/tune"]


# What depends on what


def test_adding_a_sample_changes_calibration_and_search_alone(tmp_path: Path) -> None:
    before = declared(tmp_path)
    (tmp_path / "datasets/cats/2.png").touch()
    after = read_declarations(tmp_path).models["net"]
    assert changed(before, after) == {"calibration", "mix_qtable"}


@pytest.mark.parametrize("variant", ["f16", "int8", "mix"])
def test_a_change_of_a_variant_changes_it_alone(tmp_path: Path, variant: str) -> None:
    before = declared(tmp_path)
    after = declared(
        tmp_path, SMALL.replace(f"[variant.{variant}]", f"[variant.{variant}]\nquant_input = true")
    )
    assert changed(before, after) == {variant}


def test_a_change_of_a_search_changes_it_alone(tmp_path: Path) -> None:
    before = declared(tmp_path)
    after = declared(tmp_path, SMALL.replace("qtable = {}", "qtable = { expected_cos = 0.5 }"))
    assert changed(before, after) == {"mix_qtable"}


def test_requiring_the_expected_cosine_changes_the_search(tmp_path: Path) -> None:
    before = declared(tmp_path)
    after = declared(tmp_path, SMALL.replace("qtable = {}", "qtable = { require_expected_cos = true }"))
    assert changed(before, after) == {"mix_qtable"}


def test_another_variant_changes_no_other(tmp_path: Path) -> None:
    before = declared(tmp_path)
    after = declared(tmp_path, SMALL + '[variant.new]\nquantize = "BF16"\n')
    assert changed(before, after) == {"new", "new_info"}


def test_a_change_of_deploy_changes_every_cvimodel_and_nothing_else(tmp_path: Path) -> None:
    before = declared(tmp_path)
    assert changed(before, declared(tmp_path, SMALL + "[deploy]\nopt = 2\n")) == {"f16", "int8", "mix"}


def test_a_change_of_the_input_changes_the_transform_alone(tmp_path: Path) -> None:
    before = declared(tmp_path)
    assert changed(before, declared(tmp_path, SMALL + '[input]\npixel_format = "rgb"\n')) == {"mlir"}


def test_a_change_of_the_opset_changes_the_conversion_alone(tmp_path: Path) -> None:
    before = declared(tmp_path)
    assert changed(before, declared(tmp_path, SMALL + "[onnx]\nopset = 13\n")) == {"onnx"}


def test_a_budget_changes_what_is_concluded_and_no_cvimodel(tmp_path: Path) -> None:
    before = declared(tmp_path)
    after = declared(tmp_path, SMALL + "[budget]\nsize = 1\n")
    assert changed(before, after) == {"f16_info", "int8_info", "mix_info"}


@pytest.mark.parametrize("words", ['description = "x"', 'classes = "coco.names"'])
def test_words_about_a_model_change_nothing(tmp_path: Path, words: str) -> None:
    assert changed(declared(tmp_path), declared(tmp_path, f"{words}\n{SMALL}")) == set()


def test_nothing_depends_on_where_the_project_lies(tmp_path: Path) -> None:
    here, there = (declared(tmp_path / place, FULL) for place in ("here", "elsewhere/deep"))
    assert definitions(here) == definitions(there)
    assert str(tmp_path) not in json.dumps(definitions(here))


def test_limits_change_nothing_and_are_passed_on(tmp_path: Path) -> None:
    before = declared(tmp_path)
    limits = before.settings.limits.model_copy(update={"memory": 1.5, "hours": 0.5})
    settings = before.settings.model_copy(update={"limits": limits})
    after = dataclasses.replace(before, settings=settings)
    assert changed(before, after) == set()
    for stage in stages_of(after):
        assert (stage.action.limits.memory, stage.action.limits.seconds) == (1.5 * 1024**3, 1800.0)


# Processors


def test_a_variant_for_several_processors_is_a_cvimodel_for_each(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + 'processor = ["cv180x", "cv181x"]\n')
    mix = {name for name in definitions(model) if name.startswith("mix")}
    assert mix == {
        f"mix_{chip}{stage}" for chip in ("cv180x", "cv181x") for stage in ("", "_qtable", "_info")
    }
    for chip in ("cv180x", "cv181x"):
        assert action_of(model, f"mix_{chip}").outputs[0].name == f"net_{chip}_mix.cvimodel"
        assert f"--processor={chip}" in action_of(model, f"mix_{chip}").argv
        assert f"--processor={chip}" in action_of(model, f"mix_{chip}_qtable").argv
        assert f"--quantize_table=net_{chip}_mix_qtable" in action_of(model, f"mix_{chip}").argv


def test_a_list_of_one_processor_is_that_processor(tmp_path: Path) -> None:
    one = declared(tmp_path, SMALL + 'processor = ["cv180x"]\n')
    other = declared(tmp_path, SMALL + 'processor = "cv180x"\n')
    assert changed(one, other) == set()


# What is done on the host


@pytest.mark.parametrize("stage_of", [pipeline.onnx, pipeline.mlir])
def test_the_network_is_looked_at_before_it_is_converted_and_transformed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage_of: StageOf
) -> None:
    seen: list[DeclaredModel] = []
    converted: list[tuple[Path, tuple[str, ...]]] = []
    monkeypatch.setattr(network_check, "check", seen.append)
    monkeypatch.setattr(check, "check", lambda *given: converted.append(given))
    model = declared(tmp_path)
    (stage,) = stage_of(model)
    assert stage.before
    stage.before()
    assert seen == [model]
    assert converted == ([(Path("build/net/net.onnx"), ())] if stage_of is pipeline.mlir else [])


@pytest.mark.parametrize("name", ["net.tflite", "net.pt", "net.prototxt"])
def test_only_the_transform_of_such_a_network_runs_in_the_image_with_the_frameworks(
    tmp_path: Path, name: str
) -> None:
    text = SMALL.replace('source = "net.onnx"', f'source = "{name}"')
    if name == "net.prototxt":
        text = text.replace("[", 'weights = "net.caffemodel"\n[', 1)
    text = text.replace("[verify]", "[input]\nshapes = [[1, 3, 8, 8]]\n[verify]")
    stages = list(stages_of(declared(tmp_path, text)))
    assert {stage.action.name: stage.toolchain.name for stage in stages} == {
        stage.action.name: "frameworks.json" if stage.action.name == "net:mlir" else "toolchain.json"
        for stage in stages
    }
    # The tool's MLIR of a TFLite network is mended.
    assert ("transform_tflite.py" in stages[0].action.argv) == (name == "net.tflite")
    assert ("transform_tflite.py" in {file.name for file in stages[0].action.inputs}) == (
        name == "net.tflite"
    )


@pytest.mark.parametrize("extra", ["", "compare_all = true\n"])
def test_the_reference_is_reduced_unless_a_variant_compares_all(tmp_path: Path, extra: str) -> None:
    text = SMALL + extra
    action = action_of(declared(tmp_path, text), "mlir")
    program = action.argv[action.argv.index("python3") + 1 :]
    assert (program[:2] == ("reduce_reference.py", "net")) == (not extra)
    assert ("reduce_reference.py" in {file.name for file in action.inputs}) == (not extra)
    assert f"{tools.ROOT}/python/tools/model_transform.py" in program


def test_the_info_is_concluded_from_cvimodel_listing_and_validation(tmp_path: Path) -> None:
    stage = next(pipeline.info(declared(tmp_path)))
    assert stage.concluded == (Path("build/net/net_cv181x_f16_info.json"),)
    assert stage.also_read == (
        Path("build/net/net_cv181x_f16_validation.json"),
        Path("build/net/net_outputs.json"),
    )


def test_the_info_of_a_check_that_was_left_out_is_concluded_all_the_same(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + "skip_validation = true\n")
    assert "net_cv181x_mix_validation.json" in {file.name for file in action_of(model, "mix").outputs}
