from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cvimake.builder.schedule import Line, Schedule

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


def test_the_work_that_is_left_shrinks_to_nothing() -> None:
    found = schedule()
    found.settled("a")
    assert found.left == 19.0
    for name in ("b", "b", "somebody else's", "e"):
        found.settled(name)
    assert found.left == 5.0
    for name in ("c", "d"):
        found.settled(name)
    assert found.left == 0.0


def test_nothing_remains_of_times_that_have_no_exact_sum() -> None:
    names = [str(number) for number in range(1000)]
    tasks: dict[str, Any] = {name: SimpleNamespace(name=name, task_dep=[]) for name in names}
    found = Schedule(lambda: tasks, lambda _task: 0.1)
    assert found.left == 100.0
    for name in reversed(names):
        found.settled(name)
    assert found.left == 0.0


def test_a_deep_graph_is_no_deep_recursion() -> None:
    tasks: dict[str, Any] = {
        str(number): SimpleNamespace(name=str(number), task_dep=[str(number - 1)] if number else [])
        for number in range(5000)
    }
    assert Schedule(lambda: tasks, lambda _task: 1.0).chain("0") == 5000.0


def test_the_schedule_asks_for_estimates_only_when_needed() -> None:
    Schedule(lambda: pytest.fail("asked"), lambda _task: 1.0)


def waiting(line: Line[str]) -> str:
    """Return everything in a line; what is not ready in capitals."""
    return "".join(thing if is_ready else thing.upper() for thing, is_ready in line)


def test_the_most_urgent_is_first_in_a_line_and_then_who_came_first() -> None:
    line: Line[str] = Line()
    for thing, urgency in (("a", 1.0), ("b", 2.0), ("c", 1.0), ("d", 3.0)):
        line.put(thing, urgency, is_ready=True)
    assert (waiting(line), line.ready) == ("dbac", 4)


def test_of_equally_urgent_things_those_that_are_ready_come_first() -> None:
    line: Line[str] = Line()
    for thing, urgency, is_ready in (("a", 1.0, False), ("b", 1.0, True), ("c", 2.0, False)):
        line.put(thing, urgency, is_ready=is_ready)
    assert (waiting(line), line.ready) == ("CbA", 1)


def test_what_is_taken_out_of_a_line_is_gone() -> None:
    line: Line[str] = Line()
    for thing in "abc":
        line.put(thing, 1.0, is_ready=thing != "c")
    line.remove("a")
    line.remove("a")
    assert (waiting(line), line.ready) == ("bC", 1)
    line.remove_ready()
    assert (waiting(line), line.ready) == ("C", 0)
