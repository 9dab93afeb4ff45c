from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import hashing, project, report, search, thousand_plans
from bench.__main__ import main
from bench.calibration import projection, serial_share
from bench.measure import Comparison, Result, Times, alternate, timed


def result(comparison: Comparison, bound: float) -> Result:
    return Result(
        benchmark="some",
        figure="ours",
        times=Times((4.0, 1.0, 3.0)),
        against="theirs",
        against_times=Times((2.0, 2.0, 2.0)),
        comparison=comparison,
        bound=bound,
    )


@pytest.mark.parametrize(("one", "two", "share"), [(10.0, 5.0, 0.0), (10.0, 6.0, 0.2), (10.0, 11.0, 1.0)])
def test_what_more_processes_would_bring_follows_from_what_two_bring(
    one: float, two: float, share: float
) -> None:
    assert serial_share(one, two) == pytest.approx(share)
    assert projection(one, share, 1) == pytest.approx(one)
    assert projection(10.0, 0.2, 4) == pytest.approx(4.0)


def test_things_are_run_in_turns() -> None:
    order: list[str] = []

    def run(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    times = alternate({"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0)}, repeats=3)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert times == {"a": Times((1.0, 1.0, 1.0)), "b": Times((2.0, 2.0, 2.0))}


@pytest.mark.parametrize(
    ("comparison", "value"),
    [(Comparison.TIME, 3.0), (Comparison.DIFFERENCE, 1.0), (Comparison.RATIO, 1.5)],
)
def test_medians_are_compared_and_held_against_the_bound(comparison: Comparison, value: float) -> None:
    assert result(comparison, value).value == value
    assert result(comparison, value).is_within
    assert not result(comparison, value - 0.1).is_within


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)exit code 3.*broken"):
        timed(["sh", "-c", "echo broken >&2; exit 3"], tmp_path)


def test_the_table_says_whether_bounds_are_kept() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(report.table([result(Comparison.RATIO, 2.5), result(Comparison.DIFFERENCE, 0.5)]))
    lines = [line.split("  ") for line in capture.get().splitlines()]
    measured = ["some", "ours", "3.00 s (1.00 - 4.00)", "theirs", "2.00 s (2.00 - 2.00)"]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines[1:]] == [
        [*measured, "1.50 times", "2.50 times", "within"],
        [*measured, "1.00 s more", "0.50 s more", "MISSED"],
    ]


def test_the_file_holds_every_run(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    report.save([result(Comparison.RATIO, 2.5)], {"cores": 2}, path)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["machine"] == {"cores": 2}
    (found,) = document["results"]
    assert found["seconds"] == [4.0, 1.0, 3.0]
    assert (found["median"], found["value"], found["bound"], found["within"]) == (3.0, 1.5, 2.5, True)


@pytest.mark.parametrize(("processes", "seconds"), [(1, 100.0), (2, 60.0), (4, 44.0), (8, 36.0), (16, 28.0)])
def test_more_processes_are_projected_by_the_one_with_the_most_samples(
    processes: int, seconds: float
) -> None:
    # 20 s are serial, and 8 go to each of 10 samples.
    assert search.projected(100.0, 60.0, 10, processes) == pytest.approx(seconds)


def test_one_sample_gains_nothing() -> None:
    assert search.projected(100.0, 90.0, 1, 8) == 100.0


def test_where_two_processes_are_slower_more_are_no_faster_than_one() -> None:
    assert search.projected(100.0, 110.0, 10, 8) == 100.0


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-op", "no-such"])
    assert "no benchmark no-such: there are step-overhead, no-op, thousand" in capsys.readouterr().err


def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "SIZE", 1024 * 1024)
    monkeypatch.setattr(thousand_plans, "MODELS", 1)
    for benchmark in (hashing, thousand_plans):
        monkeypatch.setattr(benchmark, "REPEATS", 1)
        folder = tmp_path / benchmark.__name__
        folder.mkdir()
        assert all(found.value > 0 for found in benchmark.run(folder))


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
    assert len(names) == 2 * project.TASKS_OF_A_MODEL + 1
    # It is only turned off while the tasks are made.
    assert gc.isenabled()


def test_the_plain_graph_is_the_same(generated: Path) -> None:
    project.mark_done(generated)
    project.add_plain_graph(generated)
    plain = json.loads((generated / "build" / "graph.json").read_text(encoding="utf-8"))
    for ours, other in zip(project.tasks(generated), plain, strict=True):
        for key in ("basename", "name", "file_dep", "targets", "task_dep"):
            assert other.get(key) == ours.get(key)


def test_nothing_is_left_to_do_in_a_generated_project(generated: Path) -> None:
    project.mark_done(generated)
    ours, plain = project.commands(generated)
    assert ours == [str(generated / "doit")]
    assert plain[1:3] == ["-m", "doit"]
