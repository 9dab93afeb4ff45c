from __future__ import annotations

import pytest
from graphs import Workshop


def info(workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert workshop.doit("info", *arguments) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("target", ["m0000:int8", "build/m0000/m0000_cv181x_int8_validation.json"])
def test_a_stage_has_what_it_needs_reads_and_writes(
    built: Workshop, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    assert info(built, capsys, target) == [
        "m0000:int8",
        "  state   up to date",
        "  needs   m0000:calibration",
        "          m0000:mlir",
        "          toolchain",
        "  reads   build/m0000/m0000.mlir",
        "          build/m0000/m0000_calibration_table",
        "          build/m0000/m0000_top_f32_all_weight.npz",
        "          build/m0000/m0000_top_outputs.npz",
        "          build/toolchain.json",
        "          datasets/samples/00.png",
        "          1 program of cvimake",
        "  writes  build/m0000/m0000_cv181x_int8.cvimodel",
        "          build/m0000/m0000_cv181x_int8_validation.json",
    ]


def test_a_model_has_its_stages_and_the_files_that_come_from_elsewhere(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = info(built, capsys, "m0000")
    assert lines[:5] == [
        "m0000",
        "  is      One of many",
        "  state   up to date",
        "  stages  m0000:onnx",
        "          m0000:mlir",
    ]
    read = lines[
        lines.index("  reads   build/toolchain.json") : lines.index("  writes  build/m0000/m0000.onnx")
    ]
    assert "          models/m0000/tiny.onnx" in read
    assert not any("build/m0000" in line for line in read)


def test_a_stage_that_was_built_before_says_why_it_will_run(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    cvimodel = "build/m0000/m0000_cv181x_int8.cvimodel"
    (built.root / cvimodel).unlink()
    lines = info(built, capsys, "m0000:int8")
    assert lines[1].startswith("  state   will run: ")
    assert cvimodel in lines[1]
    assert lines[2].startswith("  needs   ")
    assert info(built, capsys, "m0000")[2] == "  state   2 stages will run or may run: ./doit plan m0000"


def test_of_many_reasons_the_first_one_is_told(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert info(workshop, capsys, "m0000:int8")[1:3] == [
        "  state   will run: was never built",
        "          and for 3 more reasons: ./doit why m0000:int8",
    ]


def test_a_stage_that_is_left_out_is_not_called_up_to_date(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("ignore", "m0000:mix") == 0
    told = "m0000:mix is left out of builds: ./doit forget m0000:mix ends this"
    lines = info(workshop, capsys, "m0000:mix")
    assert lines[1] == f"  state   {told}"
    assert lines[2].startswith("  needs   ")
    lines = info(workshop, capsys, "m0000")
    assert lines[2].endswith("will run or may run: ./doit plan m0000")
    assert lines[3] == f"          {told}"
    assert workshop.doit("forget", "m0000:mix") == 0
    assert "left out" not in "".join(info(workshop, capsys, "m0000:mix"))


def test_many_files_of_a_folder_are_counted(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    samples = built.root / "datasets" / "samples"
    for number in range(20):
        (samples / f"more{number}.png").write_bytes((samples / "00.png").read_bytes())
    count = len(list(samples.glob("*.png")))
    assert f"          {count} files in datasets/samples" in info(built, capsys, "m0000:calibration")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["m0001"], "there is no model, stage, result or cvimodel 'm0001'; did you mean m0000"),
        ([], "takes a cvimodel, a model, a stage or a file that a stage makes"),
        (["--json", "m0000"], "`info --json` takes cvimodels"),
    ],
)
def test_what_it_cannot_list_is_one_clear_error(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert workshop.doit("info", *arguments) == 2
    assert told in capsys.readouterr().err
