from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.builder.activity import Activities, Activity

# As the tools draw them.
BARS = (
    "\r  0%|          | 0/186 [00:00<?, ?it/s]"
    "\ractivation_collect_and_calc_th for op: /model.6/cv1/act/Mul_output_0_Mul:  21%|██        | 39/186"
    "\r[2048] threshold: /model.2/m/m.0/Add_output_0_Add:   6%|▌         | 11/186 [00:00<?, ?it/s]"
)


@pytest.mark.parametrize(
    ("output", "doing", "percent"),
    [
        ("  0%|          | 0/201 [00:00<?, ?it/s]", "", 0),
        ("tune op: /model.24/m.1/Conv_output_0_Conv:  83%|████████▎ | 155/186 [", "tune op", 83),
        ("Processing /model.5/act/Mul_output_0_Mul:   4%|▍         | 8/201", "Processing", 4),
        (BARS, "threshold", 6),
        ("relu0_Relu: 100%|██████████| 3/3 [00:00<?, ?it/s]\nall done 5\n", "relu0 Relu", 100),
        ("Cos: 0.99\nno bar 5 %\n", "", None),
    ],
)
def test_the_last_bar_tells_how_far_a_tool_is(output: str, doing: str, percent: int | None) -> None:
    activity = Activity("net:calibration")
    activity.read(output.encode())
    assert (activity.doing, activity.percent) == (doing, percent)


@given(st.lists(st.integers(0, len(BARS.encode())), max_size=5))
def test_progress_is_the_same_for_any_split_of_the_output(cuts: list[int]) -> None:
    whole = BARS.encode()
    activity = Activity("net:calibration")
    places = [0, *sorted(cuts), len(whole)]
    for start, end in itertools.pairwise(places):
        activity.read(whole[start:end])
    assert activity.percent == 6


@given(st.binary(max_size=3000))
def test_progress_accepts_any_output(output: bytes) -> None:
    Activity("net:calibration").read(output)


def test_activities_are_listed_in_the_order_of_their_start() -> None:
    activities = Activities()
    activities.begin("net:mlir")
    activities.begin("net:int8", expected=3.0)
    activities.read("net:int8", b" 50%|")
    activities.read("unknown", b" 50%|")
    assert [(activity.name, activity.expected, activity.percent) for activity in activities.running()] == [
        ("net:mlir", None, None),
        ("net:int8", 3.0, 50),
    ]
    assert activities.end("net:mlir") >= 0
    assert [activity.name for activity in activities.running()] == ["net:int8"]


def test_a_running_stage_is_on_one_machine() -> None:
    activities = Activities()
    activities.begin("net:mlir")
    activities.place("net:mlir", "alice")
    activities.place("unknown", "alice")
    assert activities.where("net:mlir") == "alice"
    activities.end("net:mlir")
    assert activities.where("net:mlir") == ""
