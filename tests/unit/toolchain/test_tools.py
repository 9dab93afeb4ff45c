from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import project as bench
from cvimake import dodo
from cvimake.project import read_declarations
from cvimake.toolchain import tools
from cvimake.toolchain.tools import MODEL_DEPLOY, MODEL_TRANSFORM, RUN_CALIBRATION, RUN_QTABLE, Option

TEXT_OPTIONS = [option.name for option in MODEL_DEPLOY if option.write is Option("").write]
VALUES = st.dictionaries(st.sampled_from(TEXT_OPTIONS), st.text("abc-=, ", min_size=1))


@given(VALUES)
def test_every_value_is_written_once_in_the_tables_order(values: dict[str, str]) -> None:
    expected = tuple(f"--{name}={values[name]}" for name in TEXT_OPTIONS if name in values)
    assert tools.arguments(MODEL_DEPLOY, values) == expected


@given(st.text().filter(lambda name: name not in {option.name for option in MODEL_TRANSFORM}))
def test_an_option_that_the_tool_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(KeyError, match="not an option of the tool"):
        tools.arguments(MODEL_TRANSFORM, {name: "x"})


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_read_back_as_the_same_numbers(numbers: list[float]) -> None:
    (argument,) = tools.arguments(MODEL_TRANSFORM, {"scale": numbers})
    assert [float(part) for part in argument.removeprefix("--scale=").split(",")] == numbers


@given(st.lists(st.lists(st.integers(min_value=1), min_size=1), min_size=1))
def test_shapes_are_one_word_that_reads_back(shapes: list[list[int]]) -> None:
    (argument,) = tools.arguments(MODEL_TRANSFORM, {"input_shapes": shapes})
    assert json.loads(argument.removeprefix("--input_shapes=")) == shapes
    assert " " not in argument


def test_a_value_may_begin_with_a_dash() -> None:
    assert tools.arguments(MODEL_TRANSFORM, {"mean": [-1.0, 0.0]}) == ("--mean=-1.0,0.0",)


@pytest.mark.parametrize(("value", "written"), [(True, ("--switch",)), (False, ()), (None, ())])
def test_a_switch_is_given_or_left_out(value: object, written: tuple[str, ...]) -> None:
    assert tools.arguments([Option("switch", None)], {"switch": value}) == written


def test_none_leaves_an_option_out() -> None:
    assert tools.arguments(MODEL_DEPLOY, {"tolerance": None, "quantize": None}) == ()


@pytest.mark.parametrize("table", [MODEL_TRANSFORM, RUN_CALIBRATION, RUN_QTABLE, MODEL_DEPLOY])
def test_no_option_stands_twice_in_a_table(table: tuple[Option, ...]) -> None:
    names = [option.name for option in table]
    assert len(set(names)) == len(names)


def test_a_command_runs_the_tool_without_address_randomisation_and_with_a_clock_that_stands_still() -> None:
    command = tools.command("model_deploy", ["--quantize=BF16"])
    assert command[:3] == ("setarch", "x86_64", "-R")
    assert tools.environment()["FAKETIME"] == "2024-01-01 00:00:00"
    assert "libfaketime" in tools.environment()["LD_PRELOAD"]
    assert command[len(tools.DETERMINISTIC) :] == (
        "python3",
        f"{tools.ROOT}/python/tools/model_deploy.py",
        "--quantize=BF16",
    )


def test_a_summarised_command_runs_the_tool_through_the_step_that_writes_the_summary() -> None:
    command = tools.summarised_command("model_deploy", "summary.json", ["--quantize=BF16"])
    start = len(tools.DETERMINISTIC)
    assert command[:start] == tools.DETERMINISTIC
    tool = f"{tools.ROOT}/python/tools/model_deploy.py"
    assert command[start:] == ("python3", "run_tool.py", "summary.json", tool, "--quantize=BF16")


def test_a_program_of_ours_is_summarised_under_the_name_that_the_step_sees() -> None:
    command = tools.summarised_program("search.py", "summary.json", ["net.mlir"], ["--flag"])
    start = len(tools.DETERMINISTIC)
    assert command[start:] == ("python3", "run_tool.py", "summary.json", "--flag", "search.py", "net.mlir")


def test_names_of_files_are_no_shell_text_in_the_info_command() -> None:
    command = tools.info_command("a b$(c).cvimodel", "out.txt", "time.json")
    assert command[-4:] == ("estimate_time.py", "a b$(c).cvimodel", "out.txt", "time.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("OMP_NUM_THREADS", "1"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("PYTHONHASHSEED", "0"),
        ("TZ", "UTC"),
        ("LC_ALL", "C.UTF-8"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_FORCE_MONOTONIC_FIX", "0"),
    ],
)
def test_the_environment_holds_results_still(name: str, value: str) -> None:
    assert tools.environment()[name] == value


def test_the_environment_is_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tools.environment()
    monkeypatch.setenv("PATH", "/elsewhere")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert tools.environment() == before


# What holds the bytes still


def test_every_stage_is_held_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    (model,) = read_declarations(Path()).models.values()
    stages = [stage for stage_of in dodo.STAGES for stage in stage_of(model)]
    assert len(stages) == 8
    for stage in stages:
        assert stage.action.argv[: len(tools.DETERMINISTIC)] == tools.DETERMINISTIC
        is_conversion = stage.action.name.endswith(":onnx")
        held = tools.onnx_environment() if is_conversion else tools.environment()
        assert stage.action.environment == held


def test_settings_that_differ_between_machines_are_fixed() -> None:
    assert tools.DETERMINISTIC[:3] == ("setarch", "x86_64", "-R")
    assert "umask 022" in tools.DETERMINISTIC[5]
    assert "AVX512_SKX" in tools.environment()["NPY_DISABLE_CPU_FEATURES"].split()
    fixed = {
        "DONT_FAKE_MONOTONIC": "1", "HOME": "/tmp", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TMPDIR": "/tmp", "TZ": "UTC", "USER": "cvimake",
    }  # fmt: skip
    assert fixed.items() <= tools.environment().items()


def test_nothing_of_the_callers_environment_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tools.environment()
    for name in before:
        monkeypatch.setenv(name, "changed")
    assert tools.environment() == before
