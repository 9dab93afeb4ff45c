from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cvimake.builder.reasons import Follows, InputChanged, NeverBuilt, Reason, TargetMissing
from cvimake.builder.staleness import critical_path, judge


def graph(**needs: tuple[str, ...]) -> dict[str, Any]:
    """Each task makes a file of its name in upper case."""
    return {
        name: SimpleNamespace(name=name, task_dep=list(needed), targets=[name.upper()], actions=["act"])
        for name, needed in needs.items()
    }


DIAMOND = graph(a=(), b=("a",), c=("a",), d=("b", "c"))


def judged(own: dict[str, tuple[Reason, ...]]) -> dict[str, tuple[bool, tuple[Reason, ...]]]:
    verdicts = judge(DIAMOND, ["d"], lambda task: own.get(task.name, ()))
    return {name: (verdict.certain, verdict.reasons) for name, verdict in verdicts.items()}


def test_stages_after_one_that_runs_may_run() -> None:
    missing = TargetMissing("B")
    assert judged({"b": (missing,)}) == {
        "b": (True, (missing,)),
        "d": (False, (Follows("b", certain=True),)),
    }


def test_stages_after_one_that_may_run_may_run_too() -> None:
    verdicts = judged({"a": (NeverBuilt(),)})
    assert verdicts["d"] == (False, (Follows("b", certain=False), Follows("c", certain=False)))


def test_a_stage_with_a_reason_of_its_own_will_run() -> None:
    verdicts = judged({"a": (NeverBuilt(),), "d": (NeverBuilt(),)})
    assert verdicts["d"][0] is True


def test_the_contents_of_a_file_that_is_made_anew_are_no_reason() -> None:
    changed = InputChanged("A", "0", "1")
    assert judged({"a": (NeverBuilt(),), "b": (changed,)})["b"] == (False, (Follows("a", certain=True),))
    assert judged({"b": (changed,)})["b"] == (True, (changed,))


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    return {
        f"t{number}": tuple(
            f"t{needed}" for needed in sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))
        )
        if number
        else ()
        for number in range(draw(st.integers(1, 9)))
    }


@given(graphs(), st.sets(st.integers(0, 8)))
def test_stale_is_what_has_a_reason_and_all_that_needs_it(
    needs: dict[str, tuple[str, ...]], changed: set[int]
) -> None:
    own = {f"t{number}" for number in changed}
    verdicts = judge(
        graph(**needs), reversed(needs), lambda task: (NeverBuilt(),) if task.name in own else ()
    )
    expected: set[str] = set()
    for name, needed in needs.items():
        if name in own or expected & set(needed):
            expected.add(name)
    assert verdicts.keys() == expected
    assert {name for name, verdict in verdicts.items() if verdict.certain} == own & needs.keys()
    order = list(verdicts)
    assert all(order.index(n) < order.index(name) for name in order for n in needs[name] if n in verdicts)


def test_the_critical_path_is_the_chain_that_takes_longest() -> None:
    seconds = {"a": 1.0, "b": 5.0, "c": 2.0}
    assert critical_path(DIAMOND, ["a", "b", "c", "d"], seconds) == (("a", "b", "d"), 6.0)
    assert critical_path(DIAMOND, ["c", "d"], seconds) == (("c", "d"), 2.0)
    assert critical_path(DIAMOND, [], seconds) == ((), 0.0)
