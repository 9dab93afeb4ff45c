from __future__ import annotations

from pathlib import Path

import pytest
from small_stages import FULL, SMALL, action_of, declared, definitions, tool_of

from cvimake.core.action import FileKind


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


@pytest.mark.parametrize(("declared_as", "passed"), [("F16", "BF16"), ("BF16", "BF16"), ("INT8", "INT8")])
def test_f16_is_bf16_on_these_processors(tmp_path: Path, declared_as: str, passed: str) -> None:
    model = declared(tmp_path, SMALL.replace('"F16"', f'"{declared_as}"'))
    assert f"--quantize={passed}" in action_of(model, "f16").argv


def test_a_cvimodel_must_be_one(tmp_path: Path) -> None:
    assert action_of(declared(tmp_path), "int8").outputs[0].kind is FileKind.CVIMODEL


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


def test_tables_of_the_users_own_take_the_place_of_the_stages(tmp_path: Path) -> None:
    text = SMALL.replace("qtable = {}", 'qtable = "tables/mine"\ncalibration_table = "cal.txt"')
    model = declared(tmp_path, text)
    inputs = {file.name: file.path for file in action_of(model, "mix").inputs}
    assert inputs["quantize_table"] == tmp_path / "models/net/tables/mine"
    assert inputs["calibration_table.txt"] == tmp_path / "models/net/cal.txt"
    assert "mix_qtable" not in definitions(model)


def test_another_test_input_has_the_reference_that_the_tool_makes_of_it(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + 'test_input = ["a.npy", "b.npy"]\n')
    action = action_of(model, "mix")
    assert "--test_input=test_input0.npy,test_input1.npy" in action.argv
    assert not [word for word in action.argv if "test_reference" in word]
