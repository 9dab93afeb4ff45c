from __future__ import annotations

from pathlib import Path

from small_stages import FULL, SMALL, action_of, changed, declared, tool_of


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


def test_requiring_the_expected_cosine_changes_the_search(tmp_path: Path) -> None:
    before = declared(tmp_path)
    after = declared(tmp_path, SMALL.replace("qtable = {}", "qtable = { require_expected_cos = true }"))
    assert changed(before, after) == {"mix_qtable"}
