from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.dependency import Dependency

from cvimake.builder import estimates
from cvimake.builder.estimates import Estimates, Expected
from cvimake.builder.history import History, Run
from cvimake.builder.records import CORES, SECONDS
from cvimake.builder.task_meta import Meta
from cvimake.core.capacity import Load


class Records(Dependency):
    def __init__(self, **values: dict[str, float]) -> None:
        self._values = values

    def get_values(self, name: str) -> dict[str, float]:
        return self._values.get(name, {})


def tasks(**loads: Load | None) -> dict[str, Any]:
    return {name: SimpleNamespace(meta=Meta(load=load).for_doit()) for name, load in loads.items()}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores, twice as slow as the loads say."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(estimates, "_trial", lambda: 2.0)


def test_an_estimate_is_the_time_of_the_last_run() -> None:
    found = Estimates(tasks(a=Load(memory=1, seconds=10.0)), Records(a={SECONDS: 7.0}))
    assert found.of("a") == Expected(7.0, is_guess=False)


def test_after_a_failure_an_estimate_is_the_time_of_the_last_success(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(Run(task="a", ended=1.0, definition=[], inputs={}, reasons=[], seconds=3.0))
    found = Estimates(tasks(a=Load(memory=1, seconds=10.0)), Records(), history)
    assert found.of("a") == Expected(3.0, is_guess=False)


def test_without_past_runs_a_trial_measures_the_machine() -> None:
    wide, narrow = Load(memory=1, cores=100, seconds=40.0), Load(memory=1, seconds=10.0)
    found = Estimates(tasks(wide=wide, narrow=narrow), Records())
    assert found.of("narrow") == Expected(20.0, is_guess=True)
    assert found.of("wide") == Expected(20.0, is_guess=True)


def test_past_runs_tell_how_fast_the_machine_is() -> None:
    load = Load(memory=1, seconds=10.0)
    found = Estimates(tasks(a=load, b=load, c=load), Records(a={SECONDS: 5.0, CORES: 2}, b={SECONDS: 20.0}))
    assert found.of("c") == Expected(15.0, is_guess=True)


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, 5.0), (10_000.0, 40.0)])
def test_an_odd_run_does_not_spoil_the_estimates(seconds: float, expected: float) -> None:
    load = Load(memory=1, seconds=10.0)
    found = Estimates(tasks(a=load, c=load), Records(a={SECONDS: seconds}))
    assert found.of("c") == Expected(expected, is_guess=True)


def test_there_is_no_estimate_for_other_tasks() -> None:
    found = Estimates(tasks(toolchain=None), Records())
    assert found.of("toolchain") is None
    assert found.of("nobody") is None


def test_the_trial_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 0 < estimates._trial() < 1000
