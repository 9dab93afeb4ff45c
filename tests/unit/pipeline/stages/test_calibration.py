from __future__ import annotations

from pathlib import Path

from small_stages import FULL, SMALL, action_of, declared, definitions, tool_of


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


def test_without_int8_nothing_is_calibrated(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL.partition("[variant.int8]")[0])
    assert set(definitions(model)) == {"onnx", "mlir", "f16", "f16_info"}


def test_a_tune_list_has_a_place_of_its_own(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "calibration")
    assert [(file.name, file.text) for file in action.texts] == [("tune_list.txt", "/tune/a.png\n")]
    assert [folder.target for folder in action.folders] == ["/dataset", "/tune"]
