from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import TaskFailed
from doit.globals import Globals

from cvimake.report import Reporter

TRANSFORM = SimpleNamespace(name="net:transform", actions=["act"])
GROUP = SimpleNamespace(name="net", actions=[])


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry for each time that doit's records were written."""
    flushed: list[bool] = []
    backend = SimpleNamespace(flush=lambda: flushed.append(True))
    monkeypatch.setattr(Globals, "dep_manager", SimpleNamespace(backend=backend))
    return flushed


@pytest.fixture
def reporter(out: io.StringIO, flushes: list[bool]) -> Reporter:
    assert not flushes
    return Reporter(out, {"show_out": True, "failure_verbosity": 0})


def build(reporter: Any, task: SimpleNamespace) -> None:  # noqa: ANN401 - doit has no type information
    reporter.execute_task(task)
    reporter.add_success(task)


def test_what_is_built_is_a_line_with_its_time(reporter: Reporter, out: io.StringIO) -> None:
    build(reporter, TRANSFORM)
    assert re.fullmatch(r"net:transform: built in \d+\.\d s\n", out.getvalue())


def test_what_is_built_is_recorded_at_once(reporter: Reporter, flushes: list[bool]) -> None:
    build(reporter, TRANSFORM)
    assert flushes == [True]


def test_a_group_says_nothing(reporter: Reporter, out: io.StringIO) -> None:
    build(reporter, GROUP)
    reporter.skip_uptodate(GROUP)
    assert out.getvalue() == ""


def test_what_is_unchanged_says_nothing_until_the_end(reporter: Reporter, out: io.StringIO) -> None:
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


def test_what_is_not_to_be_reported_is_not(reporter: Reporter, out: io.StringIO) -> None:
    reporter.add_failure(TRANSFORM, TaskFailed("dependency failed", report=False))
    assert out.getvalue() == ""


def test_an_error_of_the_run_is_shown_at_the_end(reporter: Reporter, out: io.StringIO) -> None:
    reporter.runtime_error("the database is broken")
    reporter.complete_run()
    assert out.getvalue() == "the database is broken\n0 built, 0 unchanged\n"
