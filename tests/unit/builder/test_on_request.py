"""A preview is a stage that only runs if it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import Workshop

PREVIEW = "m0000:preview"


@pytest.fixture
def measured(workshop: Workshop) -> Workshop:
    workshop.measure()
    workshop.build()
    return workshop


def results(workshop: Workshop) -> list[Path]:
    return sorted((workshop.root / "build" / "m0000").glob("*_preview.*"))


@pytest.mark.parametrize("named", [(), ("m0000",), ("m0000:int8",)])
def test_a_build_makes_no_preview(workshop: Workshop, named: tuple[str, ...]) -> None:
    workshop.measure()
    assert PREVIEW not in workshop.build(*named)
    assert results(workshop) == []


@pytest.mark.parametrize("named", [PREVIEW, "build/m0000/m0000_preview.png"])
def test_a_preview_that_is_named_is_made_once(measured: Workshop, named: str) -> None:
    assert measured.build(named) == [PREVIEW]
    assert len(results(measured)) == 3
    assert measured.build(named) == []


def test_a_preview_makes_all_that_it_needs_and_all_that_the_table_shows(workshop: Workshop) -> None:
    workshop.measure()
    ran = workshop.build(PREVIEW)
    assert {"m0000:int8_accuracy", "m0000:mix_accuracy", "m0000:int8_info", "m0000:mix_info"} < set(ran)
    assert workshop.build("m0000") == []


def test_a_preview_is_made_again_after_a_variant_sees_something_else(measured: Workshop) -> None:
    measured.build(PREVIEW)
    measured.accuracy["m0000:int8_accuracy"] = 0.7
    measured.declare("quant_input = true", "quant_input = false")
    assert PREVIEW in measured.build(PREVIEW)


def test_the_plan_names_a_preview_only_if_it_is_asked_for(
    measured: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    measured.doit("plan")
    assert PREVIEW not in capsys.readouterr().out
    measured.doit("plan", PREVIEW)
    assert PREVIEW in capsys.readouterr().out


@pytest.mark.parametrize("named", [(), ("m0000",), (PREVIEW,)])
def test_clean_removes_a_preview_with_its_model(measured: Workshop, named: tuple[str, ...]) -> None:
    measured.build(PREVIEW)
    assert measured.doit("clean", *named) == 0
    assert results(measured) == []


def test_a_preview_that_is_named_with_images_names_the_command_for_them(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.measure()
    assert workshop.doit("run", PREVIEW, "my street.jpg") == 2
    told = capsys.readouterr()
    assert "./doit preview m0000 'my street.jpg'" in told.out + told.err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_model_that_is_not_measured_says_what_to_declare(
    workshop: Workshop, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit(command, PREVIEW) == 2
    told = capsys.readouterr()
    assert "m0000 has no preview: it declares no images to measure on" in told.out + told.err
    assert "`dataset` in [accuracy]" in told.out + told.err
    assert workshop.ran == []


@pytest.mark.parametrize("stages", [("int8_accuracy",), ("float_accuracy", "int8_accuracy", "mix_accuracy")])
def test_what_is_below_its_budget_fails_and_is_in_the_preview_all_the_same(
    workshop: Workshop, stages: tuple[str, ...]
) -> None:
    workshop.measure()
    workshop.declare("[variant.int8]", "[budget]\naccuracy = 0.7\n\n[variant.int8]")
    workshop.accuracy |= {f"m0000:{stage}": 0.6 for stage in stages}
    assert workshop.doit("run", "--output-file", "told.txt", PREVIEW) == 1
    told = Path("told.txt").read_text(encoding="utf-8")
    assert all(f"m0000:{stage}: less than its budget" in told for stage in stages)
    assert len(results(workshop)) == 3
    # It is up to date, though a stage below its budget runs again.
    workshop.ran.clear()
    assert workshop.doit("run", PREVIEW) == 1
    assert "m0000:int8_accuracy" in workshop.ran
    assert PREVIEW not in workshop.ran


def test_without_a_preview_a_build_stops_at_what_is_below_its_budget(workshop: Workshop) -> None:
    workshop.measure()
    workshop.declare("[variant.int8]", "[budget]\naccuracy = 0.9\n\n[variant.int8]")
    assert workshop.doit("run") == 1
    assert "m0000:float_accuracy" in workshop.ran
    assert "m0000:int8_accuracy" not in workshop.ran


def test_a_stage_that_fails_in_another_way_leaves_no_preview(workshop: Workshop) -> None:
    workshop.measure()
    workshop.failing.add("m0000:int8_accuracy")
    assert workshop.doit("run", PREVIEW) == 1
    assert results(workshop) == []
