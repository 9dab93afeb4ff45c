from __future__ import annotations

from pathlib import Path

import pytest

from bench import project as bench
from cvimake import dodo
from cvimake.project import read_declarations
from cvimake.toolchain import commands


def test_a_tool_runs_through_the_program_that_writes_its_summary_on_a_clock_that_stands_still() -> None:
    command = commands.summarised_command("model_deploy", "summary.json", ["--quantize=BF16"])
    assert command[:3] == ("setarch", "x86_64", "-R")
    assert commands.environment()["FAKETIME"] == "2024-01-01 00:00:00"
    assert "libfaketime" in commands.environment()["LD_PRELOAD"]
    assert command[len(commands.DETERMINISTIC) :] == (
        "python3",
        "run_tool.py",
        "summary.json",
        f"{commands.ROOT}/python/tools/model_deploy.py",
        "--quantize=BF16",
    )


def test_only_where_the_simulator_runs_its_library_is_preloaded_after_the_clock() -> None:
    plain, simulating = commands.environment(), commands.simulator_environment()
    assert simulating.pop("LD_PRELOAD").split(":") == [plain.pop("LD_PRELOAD"), commands.SIMULATOR]
    assert simulating == plain


def test_our_program_is_summarised_under_its_name_in_the_container() -> None:
    command = commands.summarised_program("search.py", "summary.json", ["net.mlir"], ["--flag"])
    start = len(commands.DETERMINISTIC)
    assert command[start:] == ("python3", "run_tool.py", "summary.json", "--flag", "search.py", "net.mlir")


def test_names_of_files_are_no_shell_text_in_the_info_command() -> None:
    command = commands.info_command("a b$(c).cvimodel", "out.txt", "time.json")
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
def test_the_environment_keeps_results_equal(name: str, value: str) -> None:
    assert commands.environment()[name] == value


def test_the_environment_is_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = commands.environment()
    monkeypatch.setenv("PATH", "/elsewhere")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert commands.environment() == before


# What holds the bytes still


def test_every_stage_runs_with_fixed_clock_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    (model,) = read_declarations(Path()).models.values()
    stages = [stage for stage_of in dodo.STAGES for stage in stage_of(model)]
    assert len(stages) == 8
    for stage in stages:
        assert stage.action.argv[: len(commands.DETERMINISTIC)] == commands.DETERMINISTIC
        if stage.action.name.endswith(":onnx"):
            held = commands.onnx_environment()
        elif stage.action.outputs[0].name.endswith((".cvimodel", "_qtable")):
            # They compute a lowered network.
            held = commands.simulator_environment()
        else:
            held = commands.environment()
        assert stage.action.environment == held


def test_settings_that_differ_between_machines_are_fixed() -> None:
    assert commands.DETERMINISTIC[:3] == ("setarch", "x86_64", "-R")
    assert "umask 022" in commands.DETERMINISTIC[5]
    assert "AVX512_SKX" in commands.environment()["NPY_DISABLE_CPU_FEATURES"].split()
    fixed = {
        "DONT_FAKE_MONOTONIC": "1", "HOME": "/tmp", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TMPDIR": "/tmp", "TZ": "UTC", "USER": "cvimake",
    }  # fmt: skip
    assert fixed.items() <= commands.environment().items()


def test_nothing_of_the_callers_environment_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    before = commands.environment()
    for name in before:
        monkeypatch.setenv(name, "changed")
    assert commands.environment() == before
