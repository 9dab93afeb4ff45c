from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from small_stages import FULL, SMALL, action_of, changed, declared, definitions, stages_of, tool_of

from cvimake.project import read_declarations


def test_undeclared_options_are_not_passed_to_the_tool(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["source", "run_tool", "test_input"])
def test_no_stage_writes_over_what_it_reads(tmp_path: Path, name: str) -> None:
    for stage in stages_of(dataclasses.replace(declared(tmp_path), name=name)):
        read = {file.name for file in stage.action.inputs}
        assert not read & {file.name for file in stage.action.outputs}


def test_every_output_lies_in_the_models_build_folder_under_its_own_name(tmp_path: Path) -> None:
    for stage in stages_of(declared(tmp_path)):
        for file in stage.action.outputs:
            assert file.path == Path("build/net") / file.name


def test_every_input_in_the_build_folder_is_an_output_of_another_stage(tmp_path: Path) -> None:
    stages = list(stages_of(declared(tmp_path)))
    written = {file.path for stage in stages for file in stage.action.outputs}
    written |= {path for stage in stages for path in stage.concluded}
    read = {path for stage in stages for path in (*stage.action.paths(), *stage.also_read)}
    assert {path for path in read if path.parts[0] == "build"} <= written


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
