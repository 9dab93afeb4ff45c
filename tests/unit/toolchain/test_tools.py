from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cvimake.project.options import DeployOptions, ModelInput
from cvimake.toolchain.tools import MODEL_DEPLOY, MODEL_TRANSFORM, TOOLS, FilledIn, Option, Tool, arguments

ROOT = Path(__file__).parents[3]
TOOL = Tool("tool", (FilledIn("last", ""), FilledIn("made", "", before="other-name")))
OTHER = Tool("other", ())


class Table(BaseModel):
    first: Annotated[str | None, Option(TOOL)] = None
    none: str = "of no tool"
    second: Annotated[str | None, Option(TOOL, "other-name"), Option(OTHER)] = None
    switch: Annotated[bool, Option(TOOL)] = False
    listed: Annotated[list[str] | None, Option(TOOL), Option(OTHER, as_json=True)] = None


class More(BaseModel):
    more: Annotated[str, Option(TOOL)] = "z"


def test_a_field_is_given_to_each_of_its_tools_under_its_name_there() -> None:
    table = Table(first="a", second="b", listed=["c", "d"])
    assert arguments(TOOL, [table]) == ("--first=a", "--other-name=b", "--listed=c,d")
    assert arguments(OTHER, [table]) == ("--second=b", '--listed=["c","d"]')


def test_options_that_a_stage_fills_in_have_their_own_places() -> None:
    table = Table(first="a", second="b", switch=True)
    values = {"last": "y", "made": "x"}
    assert arguments(TOOL, [table], values) == (
        "--first=a", "--made=x", "--other-name=b", "--switch", "--last=y",
    )  # fmt: skip


def test_an_option_without_its_neighbour_stands_at_the_end() -> None:
    assert arguments(TOOL, [More()], {"made": "x"}) == ("--more=z", "--made=x")


def test_the_order_of_the_tables_is_that_of_the_arguments() -> None:
    assert arguments(TOOL, [More(), Table(first="a")]) == ("--more=z", "--first=a")
    assert arguments(TOOL, [Table(first="a"), More()]) == ("--first=a", "--more=z")


def test_the_value_of_a_stage_replaces_the_declared_one() -> None:
    table = Table(first="a", second="b")
    assert arguments(TOOL, [table], {"first": "stage", "other-name": None}) == ("--first=stage",)


@given(st.text().filter(lambda name: name not in {"first", "other-name", "switch", "listed", "made", "last"}))
def test_an_option_that_the_tool_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(KeyError, match="does not have the options"):
        arguments(TOOL, [Table()], {name: "x"})


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_read_back_as_the_same_numbers(numbers: list[float]) -> None:
    (argument,) = arguments(MODEL_TRANSFORM, [ModelInput(scale=numbers)])
    assert [float(part) for part in argument.removeprefix("--scale=").split(",")] == numbers


@given(st.lists(st.lists(st.integers(min_value=1), min_size=1), min_size=1))
def test_shapes_are_one_word_that_reads_back(shapes: list[list[int]]) -> None:
    (argument,) = arguments(MODEL_TRANSFORM, [ModelInput(shapes=shapes)])
    assert json.loads(argument.removeprefix("--input_shapes=")) == shapes
    assert " " not in argument


def test_a_value_may_begin_with_a_dash() -> None:
    assert arguments(MODEL_TRANSFORM, [ModelInput(mean=[-1.0, 0.0])]) == ("--mean=-1.0,0.0",)


def test_a_switch_is_given_or_left_out() -> None:
    assert arguments(TOOL, [Table(switch=True)]) == ("--switch",)
    assert arguments(TOOL, [Table(switch=False)]) == ()


def test_an_option_that_is_not_declared_is_left_out() -> None:
    assert arguments(MODEL_DEPLOY, [DeployOptions()]) == ()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_has_each_option_that_stages_fill_in_once(tool: Tool) -> None:
    names = [option.name for option in tool.filled_in]
    assert len(set(names)) == len(names)


def test_the_table_in_the_docs_is_the_declared_one() -> None:
    spec = importlib.util.spec_from_file_location("list_options", ROOT / "docs" / "list_options.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "declaring.md").read_text(encoding="utf-8")
    assert module.section() in written
    assert written == module.page(written), "write it anew: python docs/list_options.py"
