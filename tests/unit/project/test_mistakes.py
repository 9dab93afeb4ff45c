from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cvimake.project.mistakes import File, did_you_mean, explain
from cvimake.project.model import Model
from cvimake.project.refused import REFUSED
from cvimake.project.settings import Settings

GOOD: dict[str, Any] = {
    "source": "net.onnx",
    "verify": {"input": "cat.png"},
    "variant": {"int8": {"quantize": "INT8"}},
}


def mistakes(values: dict[str, Any], text: str = "") -> list[str]:
    """What is said of a model's values, without the place."""
    file = File(Path("model.toml"), text)
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({**GOOD, **values})
    return [line.removeprefix("model.toml:1: ") for line in explain(file, Model, caught.value)]


def variant(**values: object) -> dict[str, Any]:
    return {"variant": {"int8": {"quantize": "INT8", **values}}}


# Where


def test_a_mistake_has_file_line_and_key() -> None:
    file = File(Path("models/net/model.toml"), "[input]\n\nmean = 1\n")
    assert file.mistake(("input", "mean"), "is wrong") == "models/net/model.toml:3: input.mean: is wrong"


def test_a_mistake_of_the_whole_file_has_no_key() -> None:
    assert File(Path("model.toml"), "a = 1").mistake((), "is wrong") == "model.toml:1: is wrong"


def test_a_position_in_an_array_is_said() -> None:
    file = File(Path("model.toml"), "a = 1\nshapes = [[1, 0]]")
    assert file.mistake(("shapes", 0, 1), "is 0") == "model.toml:2: shapes[0][1]: is 0"


def test_a_table_deep_in_a_file_is_counted_from_the_files_first_line() -> None:
    text = "[project]\nmean = 1\n[tool.cvimake.input]\nmean = 2"
    file = File(Path("pyproject.toml"), text, ("tool", "cvimake"))
    assert file.mistake(("input", "mean"), "is wrong") == "pyproject.toml:4: input.mean: is wrong"


# What was meant


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("tolerence", ["tolerance", "tune_num"], "tolerance"),
        ("quantise", ["quantize", "quant_input"], "quantize"),
        ("maen", ["main", "mean"], "mean"),
        ("Source", ["source"], "source"),
        ("int8", ["F16", "BF16", "INT8"], "INT8"),
        ("RGB", ["rgb", "bgr"], "rgb"),
    ],
)
def test_a_similar_name_is_suggested(word: str, known: list[str], meant: str) -> None:
    assert did_you_mean(word, known) == f"; did you mean {meant}?"


@pytest.mark.parametrize("known", [[], ["tolerance", "mean"]])
def test_no_suggestion_without_a_similar_name(known: list[str]) -> None:
    assert not did_you_mean("zzzz", known)


# What is wrong


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"inputs": {}}, "inputs: no such key; did you mean input?"),
        ({"input": {"meen": [1.0]}}, "input.meen: no such key; did you mean mean?"),
        (variant(quantise="INT8"), "variant.int8.quantise: no such key; did you mean quantize?"),
        (
            variant(qtable={"min_cos": 1}),
            "variant.int8.qtable.min_cos: no such key; did you mean min_layer_cos?",
        ),
        ({"input": {"zzzz": 1}}, "input.zzzz: no such key"),
        ({"deploy": {"tolerence": [1.0, 1.0]}}, "deploy.tolerence: no such key; did you mean tolerance?"),
    ],
)
def test_a_key_that_does_not_exist_is_told_with_what_was_meant(values: dict[str, Any], what: str) -> None:
    assert mistakes(values) == [what]


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("table", ["deploy", "calibration", "variant", "root"])
def test_an_option_that_is_refused_says_why_wherever_it_stands(name: str, table: str) -> None:
    values = {
        "deploy": {"deploy": {name: True}},
        "calibration": {"calibration": {name: True}},
        "variant": variant(**{name: True}),
        "root": {name: True},
    }[table]
    (what,) = mistakes(values)
    assert what.endswith(f"{name}: refused: {REFUSED[name]}")
    assert len(REFUSED[name]) > 10


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (
            variant(quantize="INT4"),
            "variant.int8.quantize: 'INT4' is not one of F16, BF16, INT8; did you mean INT8?",
        ),
        (variant(quantize="W4"), "variant.int8.quantize: 'W4' is not one of F16, BF16, INT8"),
        ({"input": {"pixel_format": "rbg"}}, "input.pixel_format: 'rbg' is not one of rgb, bgr, gray"),
        (
            variant(processor="bm1684"),
            "variant.int8.processor: 'bm1684' is not one of cv180x, cv181x, cv182x",
        ),
        (
            variant(processor=["cv181x", "cv181"]),
            "variant.int8.processor[1]: 'cv181' is not one of cv180x, cv181x",
        ),
        (variant(opt=3), "variant.int8.opt: 3 is not one of 1, 2"),
        (variant(num_core=8), "variant.int8.num_core: 8 is not one of 1"),
    ],
)
def test_a_word_that_is_not_one_of_them_is_told_with_all_of_them(values: dict[str, Any], what: str) -> None:
    (found,) = mistakes(values)
    assert found.startswith(what)


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("source", 'source = "yolo11n.onnx"'),
        ("verify", '[verify] with input = "dog.jpg"'),
        ("variant", '[variant.int8] with quantize = "INT8"'),
    ],
)
def test_a_missing_key_is_named(name: str, example: str) -> None:
    file = File(Path("model.toml"), "")
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({key: value for key, value in GOOD.items() if key != name})
    assert list(explain(file, Model, caught.value)) == [
        f"model.toml:1: {name}: is missing; for example: {example}"
    ]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (variant(quant_input="yes"), "variant.int8.quant_input"),
        (variant(quant_input=1), "variant.int8.quant_input"),
        (variant(tolerance=[0.9, "0.9"]), "variant.int8.tolerance[1]"),
        (variant(tolerance=[0.9]), "variant.int8.tolerance[1]"),
        (variant(tolerance=0.9), "variant.int8.tolerance"),
        (variant(tolerance=[0.9, 1.1]), "variant.int8.tolerance[1]"),
        (variant(tolerance=[0.9, float("nan")]), "variant.int8.tolerance[1]"),
        (variant(model_version=1.2), "variant.int8.model_version"),
        (variant(quant_input_list=[0]), "variant.int8.quant_input_list[0]"),
        (variant(excepts="a,b"), "variant.int8.excepts"),
        (variant(test_input=[1]), "variant.int8.test_input[0]"),
        (variant(processor=[]), "variant.int8.processor"),
        (variant(qtable={"expected_cos": 2}), "variant.int8.qtable.expected_cos"),
        (variant(qtable={"expected_cos": float("inf")}), "variant.int8.qtable.expected_cos"),
        (variant(qtable={"input_num": 0}), "variant.int8.qtable.input_num"),
        ({"calibration": {"input_num": -1}}, "calibration.input_num"),
        ({"calibration": {"input_num": 1.5}}, "calibration.input_num"),
        ({"calibration": {"histogram_bin_num": 0}}, "calibration.histogram_bin_num"),
        ({"input": {"shapes": [1]}}, "input.shapes[0]"),
        ({"input": {"shapes": [[1, "3"]]}}, "input.shapes[0][1]"),
        ({"input": {"shapes": [[1, True]]}}, "input.shapes[0][1]"),
        ({"input": {"shapes": [[1, 0]]}}, "input.shapes[0][1]"),
        ({"input": {"shapes": [[]]}}, "input.shapes[0]"),
        ({"input": {"shapes": []}}, "input.shapes"),
        ({"input": {"scale": [float("nan"), 1.0, 1.0]}}, "input.scale[0]"),
        ({"input": {"mean": [float("inf"), 1.0, 1.0]}}, "input.mean[0]"),
        ({"input": {"resize_dims": [8]}}, "input.resize_dims"),
        ({"input": {"pad_value": 256}}, "input.pad_value"),
        ({"source": 1}, "source"),
        ({"source": ""}, "source"),
        ({"verify": {"input": 1}}, "verify.input"),
        ({"verify": {"input": []}}, "verify.input"),
        ({"verify": "cat.png"}, "verify"),
        ({"variant": {}}, "variant"),
        ({"variant": {"int8": "INT8"}}, "variant.int8"),
        ({"budget": {"size": 0}}, "budget.size"),
        ({"budget": {"ion_memory": float("nan")}}, "budget.ion_memory"),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_told_once_at_its_key(values: dict[str, Any], key: str) -> None:
    (found,) = mistakes(values)
    assert found.startswith(f"{key}: ")
    assert found != f"{key}: "


def test_no_word_of_the_checker_is_in_the_text() -> None:
    text = "\n".join(
        mistakes(
            {
                "input": {"shapes": 1, "mean": "x", "pixel_format": 1},
                "verify": {"input": 1},
                "calibration": {"dataset": "a", "data_list": "b"},
                **variant(processor=1, qtable=1, tolerance=1),
            }
        )
    )
    for word in (
        "pydantic",
        "tagged-union",
        "<one>",
        "<many>",
        "<file>",
        "<table>",
        "Value error",
        "function-",
    ):
        assert word not in text


def test_all_mistakes_are_told() -> None:
    found = mistakes({"input": {"meen": 1, "scale": "x"}, "sauce": 1, **variant(quantize="INT4")})
    assert {line.partition(": ")[0] for line in found} == {
        "input.meen",
        "input.scale",
        "sauce",
        "variant.int8.quantize",
    }


def test_the_settings_keys_are_known_too() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"limits": {"memery": 1.0}})
    file = File(Path("pyproject.toml"), "[tool.cvimake]\nlimits.memery = 1.0", ("tool", "cvimake"))
    assert list(explain(file, Settings, caught.value)) == [
        "pyproject.toml:2: limits.memery: no such key; did you mean memory?"
    ]
