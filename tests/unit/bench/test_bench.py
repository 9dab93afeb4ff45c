from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bench.__main__ as program
from bench import calibration, hashing, metered, project, records, search
from bench.measure import Comparison, Result, Runs, Scale, TakesLongerError, alternate, peak, timed
from bench.metered import Taken
from cvimake.builder.store.current import STORE_VARIABLE


def result(comparison: Comparison, bound: float | None, **changes: object) -> Result:
    values: dict[str, Any] = {
        "benchmark": "some",
        "figure": "ours",
        "ours": Runs((4.0, 1.0, 3.0)),
        "against": "theirs",
        "theirs": Runs((2.0, 2.0, 2.0)),
        "comparison": comparison,
        "bound": bound,
    }
    values.update(changes)
    return Result(**values)


def test_both_sides_run_alternately() -> None:
    order: list[str] = []

    def run(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    found = alternate({"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0)}, repeats=3)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert found == {"a": Runs((1.0, 1.0, 1.0)), "b": Runs((2.0, 2.0, 2.0))}


def test_a_tool_over_its_time_is_ended_and_not_repeated() -> None:
    order: list[str] = []

    def slow() -> float:
        order.append("slow")
        raise TakesLongerError(7.0)

    def quick() -> float:
        order.append("quick")
        return 1.0

    found = alternate({"slow": slow, "quick": quick}, repeats=3)
    assert order == ["slow", "quick", "quick", "quick"]
    assert found == {"slow": Runs((7.0,), ended=True), "quick": Runs((1.0, 1.0, 1.0))}


@pytest.mark.parametrize("measured", [timed, peak])
def test_a_command_that_takes_too_long_is_ended_with_all_its_processes(
    tmp_path: Path, measured: Callable[..., float]
) -> None:
    command = ["sh", "-c", "(sleep 1; touch late) & sleep 60"]
    started = time.monotonic()
    with pytest.raises(TakesLongerError, match="more than 0 s"):
        measured(command, tmp_path, 0.2)
    time.sleep(max(0.0, started + 1.5 - time.monotonic()))
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("measured", [timed, peak])
def test_a_command_that_fails_is_no_measurement(tmp_path: Path, measured: Callable[..., float]) -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        measured(["sh", "-c", "exit 3"], tmp_path)


def test_the_output_of_a_failed_command_is_shown(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        timed(["sh", "-c", "echo broken >&2; exit 3"], tmp_path)


def test_the_memory_of_a_command_is_its_own(tmp_path: Path) -> None:
    ballast = bytearray(200 * 1024**2)
    script = "import time; held = bytearray({} * 1024**2); time.sleep(0.1)"
    small, large = (peak([sys.executable, "-c", script.format(size)], tmp_path) for size in (1, 65))
    assert small < len(ballast) / 1024**2 / 2
    assert large - small == pytest.approx(64, abs=4)


@pytest.mark.parametrize(
    ("comparison", "value"),
    [(Comparison.ITSELF, 3.0), (Comparison.DIFFERENCE, 1.0), (Comparison.RATIO, 1.5)],
)
def test_medians_are_compared_and_held_against_the_bound(comparison: Comparison, value: float) -> None:
    assert result(comparison, value).value == value
    assert result(comparison, value).is_within is True
    assert result(comparison, value - 0.1).is_within is False
    assert result(comparison, None).is_within is None


@pytest.mark.parametrize("comparison", Comparison)
def test_a_missing_counterpart_gives_no_ratio(comparison: Comparison) -> None:
    found = result(comparison, 1.0, theirs=Runs(missing="not installed"))
    assert (found.ratio, found.value, found.is_within) == (None, None, None)


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (Scale(1, "process"), "1 process"),
        (Scale(2, "process"), "2 processes"),
        (Scale(1000, "model"), "1,000 models"),
    ],
)
def test_a_size_is_told_in_words(scale: Scale, text: str) -> None:
    assert str(scale) == text
    assert result(Comparison.RATIO, None, scale=scale).name == f"ours, {text}"


@pytest.mark.parametrize(("processes", "seconds"), [(1, 100.0), (2, 60.0), (4, 44.0), (8, 36.0), (16, 28.0)])
def test_more_processes_are_projected_by_the_one_with_the_most_samples(
    processes: int, seconds: float
) -> None:
    # 20 s are serial, and 8 go to each of 10 samples.
    assert metered.projected(100.0, 60.0, 10, processes) == pytest.approx(seconds)


@pytest.mark.parametrize(("one", "two", "samples"), [(100.0, 90.0, 1), (100.0, 110.0, 10)])
def test_where_two_processes_bring_nothing_more_bring_nothing(one: float, two: float, samples: int) -> None:
    assert metered.projected(one, two, samples, 8) == one


def test_where_two_processes_bring_more_than_half_nothing_is_taken_for_serial() -> None:
    assert metered.projected(100.0, 40.0, 10, 10) == pytest.approx(10.0)


def test_time_and_memory_of_a_stand_in_are_results_and_projections_are_marked() -> None:
    runs = {
        0: (Taken(200.0, 190.0, 900.0),),
        1: (Taken(100.0, 99.0, 1000.0),),
        2: (Taken(60.0, 110.0, 800.0),),
        -1: (Taken(20.0, 20.0, 500.0),),
    }
    found = list(metered.results(calibration.PROGRAM, "m:calibration", runs, samples=10))
    told = [
        (each.name, each.unit.value, each.ours.median, each.theirs.median, each.bound, each.projected)
        for each in found
    ]
    assert told == [
        ("m:calibration, 1 process", "s", 100.0, 200.0, 0.4, False),
        ("m:calibration, 2 processes", "s", 60.0, 200.0, 0.22, False),
        ("m:calibration, 4 processes", "s", pytest.approx(44.0), 200.0, None, True),
        ("m:calibration, 8 processes", "s", pytest.approx(36.0), 200.0, None, True),
        ("m:calibration, 16 processes", "s", pytest.approx(28.0), 200.0, None, True),
        ("m:calibration, 1 process", "processor s", 99.0, 190.0, None, False),
        ("m:calibration, 2 processes", "processor s", 110.0, 190.0, None, False),
        ("m:calibration, 1 process", "MiB", 1000.0, 900.0, None, False),
        ("m:calibration, 2 processes", "MiB", 800.0, 900.0, None, False),
        ("m:calibration, 1 process", "s", 100.0, 20.0, None, False),
    ]


@pytest.mark.parametrize(
    ("measured", "against"),
    [
        (calibration.PROGRAM, "the network alone, once for each sample"),
        (search.PROGRAM, "the operators that it computes, alone"),
    ],
)
def test_a_program_is_compared_with_the_least_that_it_could_do(
    measured: metered.Program, against: str
) -> None:
    runs = {
        0: (Taken(200.0, 190.0, 900.0),),
        1: (Taken(100.0, 99.0, 1000.0),),
        2: (Taken(60.0, 110.0, 800.0),),
        -1: (Taken(20.0, 20.0, 500.0),),
    }
    *_, found = metered.results(measured, "m:stage", runs, samples=10)
    assert (found.name, found.against) == ("m:stage, 1 process", against)
    assert (found.ours.median, found.theirs.median, found.bound) == (100.0, 20.0, None)


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The only benchmark, `some`, measures nothing; with what each of its runs was started."""
    started: list[dict[str, int]] = []

    def run(scratch: Path, **options: int) -> Iterator[Result]:
        assert list(scratch.iterdir()) == []
        started.append(options)
        yield result(Comparison.RATIO, 2.5, ours=Runs((float(len(started)),)))

    monkeypatch.setattr(program, "BENCHMARKS", {"some": run})
    # The program sets it for what it starts.
    monkeypatch.setenv(STORE_VARIABLE, "none")
    return started


def test_json_table_and_plot_lie_beside_each_other(
    tmp_path: Path, benchmark: list[dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "build" / "bench.json"
    assert program.main(["--json", str(path)]) == 0
    assert benchmark == [{}]
    assert "some  " in capsys.readouterr().out
    (record,) = json.loads(path.read_text(encoding="utf-8"))
    assert record["result"]["ours"]["values"] == [1.0]
    assert record["machine"]["cores"]
    assert "### some" in path.with_suffix(".md").read_text(encoding="utf-8")
    assert "<svg" in path.with_suffix(".svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(("options", "figures"), [([], [2.0]), (["--add"], [7.0, 2.0])])
def test_results_are_added_where_that_is_asked_for(
    tmp_path: Path, benchmark: list[dict[str, int]], options: list[str], figures: list[float]
) -> None:
    path = tmp_path / "bench.json"
    program.main(["--json", str(path)])
    (first,) = records.load(path)
    other = records.Record(
        date="2020-01-01",
        commit="old",
        machine={"cores": "1"},
        result=result(Comparison.RATIO, None, figure="other", ours=Runs((7.0,))),
    )
    records.save([other, first], path)
    program.main(["some", "--json", str(path), *options])
    assert len(benchmark) == 2
    assert [record.result.ours.median for record in records.load(path)] == figures
    if options:
        # Each keeps what it comes from.
        assert [record.commit for record in records.load(path)] == ["old", first.commit]


def test_how_often_things_are_run_can_be_said(tmp_path: Path, benchmark: list[dict[str, int]]) -> None:
    assert program.main(["--repeats", "2", "--json", str(tmp_path / "bench.json")]) == 0
    assert benchmark == [{"repeats": 2}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stage-overhead", "no-such"], "no benchmark no-such: there are stage-overhead, other-tools, warm"),
        (["--repeats", "0"], "--repeats 0: at least 1"),
    ],
)
def test_senseless_options_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert said in capsys.readouterr().err


def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SIZE", 1024 * 1024)
    (found,) = hashing.run(tmp_path, repeats=2)
    assert found.value
    assert len(found.ours.values) == len(found.theirs.values) == 2


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[Path]:
    project.write(tmp_path, models=2)
    yield tmp_path
    gc.unfreeze()


def own_name(task: dict[str, Any]) -> str:
    return task["basename"] if task.get("name") is None else f"{task['basename']}:{task['name']}"


def test_a_generated_model_has_nine_tasks(generated: Path) -> None:
    stages = ("onnx", "mlir", "calibration", "int8", "int8_info", "mix", "mix_info", "mix_qtable")
    names = [own_name(task) for task in project.tasks(generated)]
    assert sorted(names) == sorted(
        [
            "toolchain",
            *(name for model in ("m0000", "m0001") for name in (model, *(f"{model}:{s}" for s in stages))),
        ]
    )
    # It is only turned off while the tasks are made.
    assert gc.isenabled()


def test_nothing_is_left_to_do_in_a_generated_project(generated: Path) -> None:
    project.mark_done(generated)
    launcher = project.add_launcher(generated)
    built = subprocess.run([launcher], cwd=generated, capture_output=True, text=True, check=True)
    assert built.stdout.splitlines()[-1] == "0 built, 17 unchanged"
