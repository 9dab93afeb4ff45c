"""The search in several processes, over a toolchain of a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fake_toolchain
import pytest

from cvimake.core.resources import container_program
from cvimake.toolchain.container import run_tool

PROGRAMS = container_program("search").parent
# What is checked of the real toolchain is left out where this one is to be stood in for.
STAND_IN = """
import sys
from pathlib import Path
import search
search.SOURCES = {}
search.main(sys.argv[2:], Path(sys.argv[1]))
"""
SAMPLES = ["0.1", "0.7", "3.3", "0.2", "11.9", "0.30000001", "5.7"]


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return fake_toolchain.write(tmp_path / "toolchain")


def run(root: Path, command: list[str], processes: int = 1) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (PROGRAMS, root))),
        "TPUC_ROOT": str(root.parent),
        "CVIMAKE_PROCESSES": str(processes),
    }
    return subprocess.run(
        [sys.executable, *command],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def search(
    root: Path, samples: list[str], processes: int | None, *options: str
) -> subprocess.CompletedProcess[str]:
    """Searches with so many processes; None for the tool itself."""
    Path("samples").write_text("\n".join(samples), encoding="utf-8")
    tool = [str(root / "tools" / "run_qtable.py")] if processes is None else ["-c", STAND_IN, str(root)]
    for name in ("qtable", "MixPrecSearcher"):
        Path(name).unlink(missing_ok=True)
    return run(root, [*tool, "net", "--data_list=samples", *options], processes or 1)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("lowered")]


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
@pytest.mark.parametrize("options", [(), ("--batch=2",), ("--input_num=1",), ("--expected_cos=0.01",)])
def test_any_number_of_processes_gives_the_tools_own_result(
    toolchain: Path, processes: int, options: tuple[str, ...]
) -> None:
    original = search(toolchain, SAMPLES, None, *options)
    assert original.returncode == 0, original.stderr
    expected = [Path(name).read_text() for name in ("qtable", "MixPrecSearcher") if Path(name).exists()]
    ours = search(toolchain, SAMPLES, processes, *options)
    assert ours.returncode == 0, ours.stderr
    found = [Path(name).read_text() for name in ("qtable", "MixPrecSearcher") if Path(name).exists()]
    assert found == expected
    assert lines(ours.stdout) == lines(original.stdout)


def test_adding_samples_in_another_order_would_change_the_table(toolchain: Path) -> None:
    search(toolchain, SAMPLES, None)
    there = Path("qtable").read_text(encoding="utf-8")
    search(toolchain, SAMPLES[::-1], None)
    assert Path("qtable").read_text(encoding="utf-8") != there


def test_one_process_lowers_and_no_network_twice_with_the_same_arguments(toolchain: Path) -> None:
    lowered = [
        [line for line in search(toolchain, SAMPLES, processes).stdout.splitlines() if "lowered" in line]
        for processes in (None, 3)
    ]
    original, ours = lowered
    assert original.count("lowered net.INT8.tune.mlir") == 2
    original.remove("lowered net.INT8.tune.mlir")
    assert sorted(ours) == sorted(original)
    assert not list(Path().glob("*.tune.mlir"))


def test_calibration_prints_one_progress_bar(toolchain: Path) -> None:
    lines = search(toolchain, SAMPLES, 3).stderr.splitlines()
    assert [line for line in lines if "bar" in line] == ["one bar"]


def test_the_bar_moves_although_the_clock_stands_still(toolchain: Path) -> None:
    lines = search(toolchain, SAMPLES, 3).stderr.splitlines()
    assert [line for line in lines if line.startswith("done: ")] == [
        f"done: {number}" for number in (1, 2, 3, 4)
    ]


def test_each_layer_is_told_once_when_it_is_compared(toolchain: Path) -> None:
    lines = search(toolchain, SAMPLES, 3).stderr.splitlines()
    told = [line.split()[1] for line in lines if line.startswith("Layer: ")]
    assert told == sorted(set(told))
    assert len(told) > 1


@pytest.mark.parametrize("processes", [1, 3])
def test_each_mixture_is_told_with_the_value_that_the_tool_computes(toolchain: Path, processes: int) -> None:
    done = search(toolchain, SAMPLES, processes)
    told = run_tool.mixtures(done.stderr)
    assert [(one["float_layers"], one["last"]) for one in told] == [(1, "layer2"), (2, "layer3")]
    reached = done.stdout.partition("mix model outputs_cos:")[2].split()[0]
    assert told[-1]["cosine"] == round(float(reached), 6)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_an_exception_in_one_process_ends_the_search_of_all(
    toolchain: Path, processes: int, place: int
) -> None:
    samples = [*SAMPLES[:place], "1000", *SAMPLES[place + 1 :]]
    original = search(toolchain, samples, None)
    log = Path("MixPrecSearcher").read_text(encoding="utf-8")
    assert "An exception happened: sample 1000.0 has no layer3" in log
    ours = search(toolchain, samples, processes)
    assert (ours.returncode, lines(ours.stdout)) == (0, lines(original.stdout))
    assert Path("MixPrecSearcher").read_text(encoding="utf-8") == log


def test_a_killed_process_ends_the_search_with_its_own_message(toolchain: Path) -> None:
    ended = search(toolchain, [*SAMPLES[:-1], "-9"], 2)
    assert ended.returncode == 1
    assert "process 1 of 2 was killed by signal 9: there was not enough memory" in ended.stderr
    assert not Path("qtable").exists()


@pytest.mark.parametrize(("networks", "processes"), [(1, 1), (2, 2), (9, 7)])
def test_no_more_processes_than_there_is_memory_for(
    toolchain: Path, monkeypatch: pytest.MonkeyPatch, networks: int, processes: int
) -> None:
    # Four networks of 1,000,000 values and 4,000,000 bytes of weights, and the process itself.
    monkeypatch.setenv("CVIMAKE_MEMORY", str(networks * (200 * 1024**2 + 4 * 8_000_000)))
    ended = search(toolchain, [*SAMPLES[:-1], "-9"], 9)
    killed = f"process {processes - 1} of {processes} was killed by signal 9"
    # The last sample ends its process: with one, the step itself.
    assert killed in ended.stderr if processes > 1 else ended.returncode == -9


def test_an_exception_in_another_process_is_reported(toolchain: Path) -> None:
    ended = search(toolchain, [*SAMPLES[:-1], "words"], 2)
    assert ended.returncode == 1
    assert "could not convert string to float: 'words'" in ended.stderr
    assert "process 1 of 2 failed" in ended.stderr


@pytest.mark.parametrize("options", [(), ("--debug_cmd=debug_log",)])
def test_the_tool_itself_runs_for_another_version_of_tpu_mlir(
    toolchain: Path, options: tuple[str, ...]
) -> None:
    Path("samples").write_text("0.5 0.25", encoding="utf-8")
    program = [str(PROGRAMS / "search.py")] if not options else ["-c", STAND_IN, str(toolchain)]
    ended = run(toolchain, [*program, "net", "--data_list=samples", *options], 2)
    assert ended.returncode == 0, ended.stderr
    reason = "debug_cmd debug_log is not covered" if options else "tools/run_qtable.py is not tpu_mlir 1.7's"
    assert ended.stdout.startswith(f"search: {reason}: run_qtable itself runs, in one process\n")
    assert ended.stdout.count("lowered net.INT8.tune.mlir") == 2
    assert Path("qtable").exists()


def test_the_summary_has_the_form_of_the_tools_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("search.py").write_text("print('current int8 cos:0.999 is higher than expected_cos:0.99')")
    command = ["search.py", "--quantize_table=qtable", "--loss_table=loss"]
    assert run_tool.main(Path("summary.json"), command) == 0
    assert "int8_suffices" in Path("summary.json").read_text(encoding="utf-8")
    assert Path("qtable").read_text(encoding="utf-8").startswith("# no layer stays float")
