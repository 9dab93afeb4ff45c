from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graphs import Workshop
from reports import Page

from cvimake.report.data import Report

INDEX = Path("build/report/index.html")
PAGE = Path("build/report/models/m0000.html")


def told(workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    return workshop.printed(capsys, "report", *arguments)


def data(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - any JSON value
    found = json.loads(told(workshop, capsys, "--json"))
    Report.model_validate(found)
    return found


@pytest.fixture
def measured(workshop: Workshop) -> Workshop:
    workshop.measure()
    workshop.build()
    return workshop


def test_the_pages_show_every_cvimodel(measured: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(measured, capsys) == f"{INDEX}: 2 of 2 pages made\n"
    overview = Page(INDEX.read_text(encoding="utf-8")).text
    assert "mAP50-95 on 8 images; the float network has 0.800" in overview
    assert overview.count("up to date") == 2
    assert "int8" in Page(PAGE.read_text(encoding="utf-8")).text


def test_a_second_report_is_up_to_date(measured: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    told(measured, capsys)
    assert told(measured, capsys) == f"{INDEX}: up to date, 2 pages\n"


def test_a_report_builds_nothing(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    told(workshop, capsys)
    assert workshop.ran == []
    found = data(workshop, capsys)
    (model,) = found["models"]
    assert model["state"] == "will run"
    assert [variant["contents"] for variant in model["variants"]] == [None, None]
    assert "no variant is built" in model["suggestion"]["reason"]


def test_what_is_out_of_date_is_told_with_the_reasons(
    measured: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    measured.declare("0.9999, min_layer_cos", "0.99, min_layer_cos")
    variants = {variant["name"]: variant for variant in data(measured, capsys)["models"][0]["variants"]}
    assert variants["int8"]["state"] == "up to date"
    assert variants["mix"]["state"] == "will run"
    assert any("expected_cos" in reason for reason in variants["mix"]["reasons"])
    told(measured, capsys)
    assert "out of date" in Page(INDEX.read_text(encoding="utf-8")).text


def test_a_failure_is_on_the_page(measured: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    measured.declare("0.9999, min_layer_cos", "0.99, min_layer_cos")
    measured.failing.add("m0000:mix_qtable")
    measured.build()
    told(measured, capsys)
    text = Page(PAGE.read_text(encoding="utf-8")).text
    assert "m0000:mix_qtable failed: its tool ended with exit code 1" in " ".join(text.split())


def test_the_accuracy_of_another_cvimodel_is_not_shown(
    measured: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("build/m0000/m0000_cv181x_int8.cvimodel").write_text("another", encoding="utf-8")
    variants = {variant["name"]: variant for variant in data(measured, capsys)["models"][0]["variants"]}
    assert variants["int8"]["accuracy"] is None
    assert variants["mix"]["accuracy"]["figure"]["value"] == 0.8


def test_figures_of_other_images_are_not_compared(
    measured: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("build/m0000/m0000_cv181x_int8_accuracy.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"images":8', '"images":4'), encoding="utf-8")
    (model,) = data(measured, capsys)["models"]
    variants = {variant["name"]: variant for variant in model["variants"]}
    assert variants["int8"]["accuracy"] is None
    assert variants["mix"]["accuracy"]["images"] == 8


def test_a_model_that_cannot_be_built_has_a_page(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.declare("[variant.int8]", "[variant.int8]\nquantise = 'INT8'\n")
    told(workshop, capsys)
    assert "cannot run" in Page(INDEX.read_text(encoding="utf-8")).text
    assert "quantise" in Page(PAGE.read_text(encoding="utf-8")).text


def test_only_models_can_be_named(measured: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert measured.doit("report", "m0000:int8") == 2
    assert "a report is of whole models" in capsys.readouterr().err


def test_how_a_cvimodel_was_made(measured: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    making = data(measured, capsys)["models"][0]["variants"][0]["making"]
    assert len(making["key"]) == 64
    assert making["toolchain"].startswith("tpu_mlir")
    assert "build/m0000/m0000.mlir" in {one["path"] for one in making["inputs"]}
