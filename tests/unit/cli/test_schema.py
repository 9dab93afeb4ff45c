from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvimake.cli.schema import Schema, schemas

FOLDER = Path(__file__).parents[3] / "schemas"


def test_the_schemas_in_the_repository_are_current() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert written == schemas()


@pytest.mark.parametrize("name", ["model", "dataset", "settings", "info"])
def test_a_schema_is_json_that_says_what_it_is(name: str) -> None:
    schema = json.loads(schemas()[f"{name}.schema.json"])
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["type"] == "object"
    assert schema["title"]


def keys(schema: dict[str, Any], *path: str) -> set[str]:
    """The keys of the table that a path leads to."""
    node = schema
    for part in path:
        node = resolve(schema, node)
        node = node["additionalProperties"] if part == "*" else node["properties"][part]
    return set(resolve(schema, node)["properties"])


def resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    choices = [*node.get("anyOf", []), *node.get("oneOf", [])]
    for choice in choices:
        if (found := resolve(schema, choice)).get("properties"):
            return found
    if "$ref" in node:
        target: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return target
    return node


DEPLOY = """
processor quantize quant_input quant_output quant_input_list quant_output_list tolerance test_input
test_reference excepts compare_all skip_validation op_divide fuse_preprocess customization_format
aligned_input ignore_f16_overflow model_version disable_layer_group opt addr_mode num_core
"""
INPUT = """
shapes types resize_dims keep_aspect_ratio keep_ratio_mode mean scale pixel_format channel_format pad_value
pad_type preprocess_list
"""
SEARCH = """
dataset data_list input_num fp_type expected_cos min_layer_cos global_compare_layers debug_cmd
"""


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ((), "source weights onnx_sim classes description"),
        (("input",), INPUT),
        (("output",), "names add_postprocess"),
        (("verify",), "input tolerance excepts"),
        (("calibration",), "dataset data_list input_num tune_num tune_list histogram_bin_num debug_cmd"),
        (("variant", "*", "qtable"), SEARCH),
        (("variant", "*"), DEPLOY),
        (("deploy",), DEPLOY),
        (("budget",), "size ion_memory milliseconds recognised_as"),
    ],
)
def test_every_option_of_the_tools_can_be_declared(path: tuple[str, ...], options: str) -> None:
    model = json.loads(schemas()["model.schema.json"])
    assert set(options.split()) - keys(model, *path) == set()


@pytest.mark.parametrize("table", ["input", "calibration", "deploy"])
def test_every_table_of_a_model_can_be_set_for_all_models(table: str) -> None:
    model, settings = (json.loads(schemas()[f"{name}.schema.json"]) for name in ("model", "settings"))
    assert keys(model, table) == keys(settings, table)


def test_a_key_that_does_not_exist_is_refused_in_every_table() -> None:
    model = json.loads(schemas()["model.schema.json"])
    tables = [model, *(found for found in model["$defs"].values() if "properties" in found)]
    assert all(table["additionalProperties"] is False for table in tables)


def test_every_option_says_what_it_is() -> None:
    model = json.loads(schemas()["model.schema.json"])
    for name in ("ModelInput", "CalibrationOptions", "QtableOptions", "DeployOptions", "Variant"):
        for key, option in model["$defs"][name]["properties"].items():
            assert option.get("description"), f"{name}.{key}"


def test_schema_writes_and_names_every_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Schema().perform({}, []) == 0
    assert {
        path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "schemas").iterdir()
    } == schemas()
    assert capsys.readouterr().out.splitlines() == [f"schemas/{name}" for name in schemas()]


def test_schema_replaces_old_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "model.schema.json").write_text("old", encoding="utf-8")
    Schema().perform({}, [])
    assert (tmp_path / "schemas/model.schema.json").read_text(encoding="utf-8") != "old"


def test_schema_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert Schema().execute({}, ["x"]) == 2
    assert "takes no arguments" in capsys.readouterr().err
