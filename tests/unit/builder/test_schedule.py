from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cvimake.builder.schedule import Schedule

# Two ways lead from the first to the last; one stands alone.
SECONDS = {"a": 1.0, "b": 10.0, "c": 3.0, "d": 2.0, "e": 4.0}
NEEDS = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": []}


def schedule() -> Schedule:
    tasks: dict[str, Any] = {
        name: SimpleNamespace(name=name, task_dep=needs) for name, needs in NEEDS.items()
    }
    return Schedule(lambda: tasks, lambda task: SECONDS[task.name])


@pytest.mark.parametrize(("task", "seconds"), [("a", 13.0), ("b", 12.0), ("c", 5.0), ("d", 2.0), ("e", 4.0)])
def test_a_chain_is_the_longest_of_what_follows(task: str, seconds: float) -> None:
    assert schedule().chain(task) == seconds


def test_work_counts_everything_that_follows_once() -> None:
    assert schedule().work(["b", "c"]) == 15.0
    assert schedule().work(["a", "e"]) == 20.0


def test_a_deep_graph_is_no_deep_recursion() -> None:
    tasks: dict[str, Any] = {
        str(number): SimpleNamespace(name=str(number), task_dep=[str(number - 1)] if number else [])
        for number in range(5000)
    }
    assert Schedule(lambda: tasks, lambda _task: 1.0).chain("0") == 5000.0


def test_the_schedule_asks_for_estimates_only_when_needed() -> None:
    Schedule(lambda: pytest.fail("asked"), lambda _task: 1.0)
