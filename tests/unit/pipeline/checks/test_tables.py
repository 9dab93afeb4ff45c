from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.pipeline.checks.tables import (
    foreign_names,
    missing_layers,
    parse_calibration,
    parse_qtable,
    unknown_layers,
)

# As the toolchain writes them.
CALIBRATION = """# genetated time: 2024-01-01 00:00:00
# histogram number: 2048
###
# op_name    threshold    min    max
images 1.0000080 0.0000000 1.0000080
stem_Relu 4.8934374 -0.0000000 7.1142511
stem/add_Add 4.8934374 -1.5e-05 7.1142511
"""
QTABLE = """# genetated time: 2024-01-01 00:00:00
###
# op_name   quantize_mode
stem_Relu BF16
stem/add_Add BF16
"""
LAYERS = (("images",), ("stem_Relu",), ("stem/add_Add",))
PATH = Path("table")
TENSORS = {"images", "stem", "stem/add"}


def test_tables_that_the_toolchain_writes_are_accepted() -> None:
    table = parse_calibration(PATH, CALIBRATION)
    assert dict(table.rows) == {"images": 5, "stem_Relu": 6, "stem/add_Add": 7}
    assert foreign_names(table, TENSORS) == missing_layers(table, LAYERS) == ""
    table = parse_qtable(PATH, QTABLE)
    assert foreign_names(table, TENSORS) == unknown_layers(table, LAYERS) == ""


def test_thresholds_of_int4_are_none_of_int8() -> None:
    assert len(parse_calibration(PATH, f"{CALIBRATION}\n#int4_th\nmore 1.0 2.0 3.0\n").rows) == 3


def test_a_qtable_may_be_empty_and_a_calibration_table_may_not() -> None:
    assert not parse_qtable(PATH, "# none\n").rows
    with pytest.raises(CvimakeError, match="holds no thresholds"):
        parse_calibration(PATH, "# none\n")


@pytest.mark.parametrize("mode", ["BF16", "bf16", "F16", "F32", "INT8"])
def test_the_modes_that_these_processors_take(mode: str) -> None:
    assert parse_qtable(PATH, f"stem_Relu {mode}\n").rows == {"stem_Relu": 1}


# What the toolchain passes over without a word, or dies of.


@pytest.mark.parametrize("line", ["stem_Relu", "stem_Relu BF16 ", " stem_Relu BF16", "a BF16 b", "a UINT8"])
def test_a_line_of_a_qtable_in_another_form_is_told_with_its_place(line: str) -> None:
    with pytest.raises(CvimakeError) as caught:
        parse_qtable(PATH, f"# q\n{line}\n")
    assert f"{PATH}:2: {line!r} is not of the form LAYER MODE, where MODE is BF16" in str(caught.value)


@pytest.mark.parametrize(
    "line", ["no such thing", "a 1.0 2.0", "a 1.0e+0 0.0 1.0", "a nan 0.0 1.0", "a - - -"]
)
def test_a_line_of_a_calibration_table_in_another_form_is_told_with_its_place(line: str) -> None:
    with pytest.raises(CvimakeError, match=r"table:8: .* is not of the form LAYER THRESHOLD MIN MAX"):
        parse_calibration(PATH, f"{CALIBRATION}{line}\n")


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    table = parse_qtable(PATH, f"{QTABLE}stem_Rleu BF16\nother BF16\n")
    told = f"{PATH}:6: the network has no layer 'stem_Rleu', nor 'other' (line 7); did you mean stem_Relu?"
    assert unknown_layers(table, LAYERS) == told


def test_the_table_of_another_network_is_called_one() -> None:
    table = parse_qtable(PATH, "".join(f"/model.{number}/conv_Conv BF16\n" for number in range(45)))
    told = f"{PATH}:1: the network has none of the 45 layers of this table, for example '/model.0/conv_Conv'"
    assert unknown_layers(table, LAYERS).startswith(told)
    assert foreign_names(table, TENSORS).startswith(told)


def test_long_lists_of_names_are_shortened() -> None:
    table = parse_qtable(PATH, QTABLE + "".join(f"x{number} BF16\n" for number in range(9)))
    assert "nor 'x1' (line 7), 'x2' (line 8), 'x3' (line 9) and 5 more" in unknown_layers(table, LAYERS)


@pytest.mark.parametrize(
    ("layer", "known"),
    [
        ("stem_Relu", True),
        ("stem_r_Relu", True),
        ("stem/Gelu/Mul_Mul", True),
        ("ste_Relu", False),
        ("st", False),
    ],
)
def test_a_layer_is_called_after_a_tensor_of_the_network(layer: str, *, known: bool) -> None:
    assert (foreign_names(parse_qtable(PATH, f"{layer} BF16\n"), TENSORS) == "") is known


def test_layers_without_a_threshold_are_told() -> None:
    table = parse_calibration(PATH, CALIBRATION)
    more = (*LAYERS, ("values", "places"), ("stem/add_Add", "second"))
    assert missing_layers(table, more) == (
        f"{PATH} has no threshold for 1 of the network's 5 layers: 'values'"
    )
