from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import TaskFailed, UnmetDependency
from doit.globals import Globals

from cvimake.builder.records import SECONDS
from cvimake.builder.reporter import Reporter
from cvimake.builder.task_meta import Meta
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.estimates import LISTING
from cvimake.pipeline.stage import Row

# Has what the reporter looks at.
Task: Any = SimpleNamespace


ACTION = SimpleNamespace(out=None, err=None)


def task(name: str, *needs: str, row: Row | None = None) -> Task:
    meta = Meta(load=LISTING, row=row).for_doit()
    targets = [str(row.info)] if row and name.endswith("_info") else []
    return Task(
        name=name,
        actions=[ACTION],
        task_dep=list(needs),
        targets=targets,
        meta=meta,
        verbosity=0,
        values={},
    )


TRANSFORM = task("net:transform")
GROUP = Task(name="net", actions=[], task_dep=["net:transform"], meta=None)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry for each time that doit's records were written."""
    flushed: list[bool] = []
    records = SimpleNamespace(
        backend=SimpleNamespace(flush=lambda: flushed.append(True)), get_values=lambda _name: {SECONDS: 60.0}
    )
    monkeypatch.setattr(Globals, "dep_manager", records)
    return flushed


@pytest.fixture
def reporter(out: io.StringIO, flushes: list[bool]) -> Reporter:
    assert not flushes
    return reporter_of(out, TRANSFORM)


def reporter_of(out: io.StringIO, *tasks: Task) -> Reporter:
    reporter = Reporter(out, {})
    reporter.initialize({task.name: task for task in tasks}, [task.name for task in tasks])
    return reporter


def build(reporter: Reporter, task: Task) -> None:
    reporter.execute_task(task)
    reporter.add_success(task)


def test_a_built_stage_is_a_line_with_its_time(reporter: Reporter, out: io.StringIO) -> None:
    build(reporter, TRANSFORM)
    assert re.fullmatch(r"net:transform: built in \d+\.\d s\n", out.getvalue())


def test_a_built_stage_is_recorded_at_once(reporter: Reporter, flushes: list[bool]) -> None:
    build(reporter, TRANSFORM)
    assert flushes == [True]


def test_a_group_says_nothing(reporter: Reporter, out: io.StringIO) -> None:
    build(reporter, GROUP)
    reporter.skip_uptodate(GROUP)
    assert out.getvalue() == ""


def test_an_unchanged_stage_is_only_counted_at_the_end(reporter: Reporter, out: io.StringIO) -> None:
    reporter.skip_uptodate(TRANSFORM)
    assert out.getvalue() == ""
    reporter.complete_run()
    assert out.getvalue() == "0 built, 1 unchanged\n"


def test_a_failure_is_shown_once_with_all_that_it_says(reporter: Reporter, out: io.StringIO) -> None:
    reporter.execute_task(TRANSFORM)
    reporter.add_failure(TRANSFORM, TaskFailed("net:transform: exit code 1\n  look here"))
    reporter.complete_run()
    assert out.getvalue() == (
        "net:transform: FAILED\nnet:transform: exit code 1\n  look here\n0 built, 0 unchanged, 1 failed\n"
    )


def test_a_stage_that_needs_a_failed_one_is_only_counted(reporter: Reporter, out: io.StringIO) -> None:
    reporter.execute_task(TRANSFORM)
    reporter.add_failure(TRANSFORM, TaskFailed("net:transform: exit code 1"))
    reporter.add_failure(task("net:int8", "net:transform"), UnmetDependency("net:transform"))
    reporter.add_failure(GROUP, UnmetDependency("net:transform"))
    reporter.complete_run()
    assert out.getvalue() == (
        "net:transform: FAILED\nnet:transform: exit code 1\n0 built, 0 unchanged, 1 failed, 1 left out\n"
    )


@pytest.mark.parametrize(("verbosity", "seen"), [(0, "out\nerr\n"), (1, "out\n"), (2, "")])
def test_the_output_of_a_failed_user_task_is_shown_once(
    reporter: Reporter, out: io.StringIO, verbosity: int, seen: str
) -> None:
    action = SimpleNamespace(out="out\n", err="err\n")
    mine = Task(name="mine", actions=[action], task_dep=[], meta=None, verbosity=verbosity)
    reporter.execute_task(mine)
    reporter.add_failure(mine, TaskFailed("it failed"))
    assert out.getvalue() == f"mine: FAILED\nit failed\n{seen}"


def test_unreported_tasks_are_not_shown(reporter: Reporter, out: io.StringIO) -> None:
    reporter.add_failure(TRANSFORM, TaskFailed("dependency failed", report=False))
    assert out.getvalue() == ""


def test_an_error_of_the_run_is_shown_at_the_end(reporter: Reporter, out: io.StringIO) -> None:
    reporter.runtime_error("the database is broken")
    reporter.complete_run()
    assert out.getvalue() == "the database is broken\n0 built, 0 unchanged\n"


# The table


def row(tmp_path: Path, variant: str) -> Row:
    path = tmp_path / f"{variant}.json"
    info = {"size": 1500, "ion_memory": 0.5, "similarity": [], "recognised_as": "YOLO11"}
    path.write_text(json.dumps(info), encoding="utf-8")
    return Row("net", variant, path)


def test_a_cvimodels_line_tells_the_worst_of_its_stages_in_the_order_of_declaration(
    tmp_path: Path, out: io.StringIO, flushes: list[bool]
) -> None:
    rows = {variant: row(tmp_path, variant) for variant in ("f16", "int8", "mix")}
    tasks = {
        name: task(f"net:{name}", row=rows[name.partition("_")[0]])
        for name in ("f16", "f16_info", "int8", "int8_info", "mix", "mix_info")
    }
    reporter = reporter_of(out, *tasks.values())
    reporter.execute_task(tasks["mix"])
    reporter.add_failure(tasks["mix"], TaskFailed("net:mix: died"))
    reporter.add_failure(tasks["mix_info"], UnmetDependency("net:mix"))
    reporter.skip_uptodate(tasks["f16"])
    reporter.skip_uptodate(tasks["f16_info"])
    build(reporter, tasks["int8"])
    reporter.skip_uptodate(tasks["int8_info"])
    reporter.complete_run()
    assert flushes
    lines = [line.split() for line in out.getvalue().splitlines() if line.startswith("net  ")]
    assert [(line[1], line[-1]) for line in lines] == [
        ("f16", "unchanged"),
        ("int8", "built"),
        ("mix", "FAILED"),
    ]


def test_stages_that_need_a_failed_one_are_left_out_silently(tmp_path: Path, out: io.StringIO) -> None:
    first, second = task("net:mlir"), task("net:int8", row=row(tmp_path, "int8"))
    reporter = reporter_of(out, first, second)
    reporter.add_failure(first, TaskFailed("net:mlir: died"))
    reporter.add_failure(second, UnmetDependency("net:mlir"))
    reporter.complete_run()
    assert "net:int8: FAILED" not in out.getvalue()
    assert re.search(r"^net +int8 +left out$", out.getvalue(), re.MULTILINE)
    assert out.getvalue().endswith("0 built, 0 unchanged, 1 failed, 1 left out\n")


def test_a_model_that_cannot_be_built_yet_is_named_at_the_end(out: io.StringIO) -> None:
    waiting = Task(
        name="net:waiting",
        actions=["act"],
        task_dep=[],
        meta=Meta(waiting=CvimakeError("net waits: put it at x")).for_doit(),
    )
    reporter_of(out, waiting).complete_run()
    assert out.getvalue() == "net waits: put it at x\n0 built, 0 unchanged\n"


def test_info_of_an_earlier_build_is_not_shown_for_a_new_cvimodel(
    tmp_path: Path, out: io.StringIO, flushes: list[bool]
) -> None:
    the_row = row(tmp_path, "int8")
    stage, info = task("net:int8", row=the_row), task("net:int8_info", row=the_row)
    interrupted = reporter_of(out, stage, info)
    build(interrupted, stage)
    interrupted.complete_run()
    assert flushes
    assert "YOLO11" not in out.getvalue()
    finished = reporter_of(out, stage, info)
    finished.skip_uptodate(stage)
    build(finished, info)
    finished.complete_run()
    assert "YOLO11" in out.getvalue()


# On a terminal


def test_a_terminal_shows_what_runs_and_how_long_it_will_take(flushes: list[bool]) -> None:
    out = Terminal()
    reporter = reporter_of(out, TRANSFORM)
    build(reporter, TRANSFORM)
    reporter.complete_run()
    assert flushes
    text = out.getvalue()
    assert "net:transform" in text
    assert "of about 1:00 min" in text
    assert "0 of 1 stages done" in text
    assert "net:transform: built in" in text


def test_other_tasks_print_for_themselves(flushes: list[bool]) -> None:
    out = Terminal()
    toolchain = Task(name="toolchain", actions=["act"], task_dep=[], meta=None, values={})
    build(reporter_of(out, toolchain), toolchain)
    assert flushes
    assert "stages done" not in out.getvalue()
