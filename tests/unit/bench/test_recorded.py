from __future__ import annotations

from dataclasses import replace

import pytest

from bench.breakdown import Ran
from bench.recorded import Recorded, Work

NEEDS = {"onnx": [], "mlir": ["onnx"], "int8": ["mlir"], "mix_qtable": ["mlir"], "mix": ["mix_qtable"]}


def ran(stage: str, seconds: float, cores: int = 1) -> Ran:
    return Ran(stage=stage, began=10.0, ended=10.0 + seconds, cores=cores, after="", ready=10.0)


def recorded() -> Recorded:
    """Two networks: one has int8, and the other the search, which had two cores."""
    return Recorded.of(
        [
            ran("a:onnx", 1.0),
            ran("b:onnx", 2.0),
            ran("a:mlir", 10.0),
            ran("b:mlir", 20.0),
            ran("a:int8", 5.0),
            ran("b:mix_qtable", 30.0, cores=2),
            ran("b:mix", 4.0),
        ]
    )


def test_models_are_like_the_recorded_networks_in_turns() -> None:
    found = recorded()
    assert [found.seconds(model, "mlir") for model in ("m0000", "m0001", "m0002")] == [10.0, 20.0, 10.0]


def test_a_stage_that_one_network_has_takes_as_long_for_all() -> None:
    found = recorded()
    assert found.seconds("m0001", "int8") == 5.0
    assert found.seconds("m0000", "mix") == 4.0


def test_a_stage_takes_the_time_of_all_its_cores() -> None:
    assert recorded().seconds("m0000", "mix_qtable") == 60.0


def test_a_stage_that_got_a_core_while_it_ran_takes_the_time_of_the_cores_that_it_had() -> None:
    grown = replace(ran("a:calibration", 10.0), grew=((16.0, 2),))
    assert Recorded.of([grown]).seconds("m0", "calibration") == 6.0 + 2 * 4.0


def test_the_recorded_build_has_all_stages_of_the_measured_projects() -> None:
    found = Recorded.load()
    stages = ("onnx", "mlir", "calibration", "int8", "int8_info", "mix_qtable", "mix", "mix_info")
    assert all(found.seconds(model, stage) > 0 for model in ("m0000", "m0001") for stage in stages)


def test_work_is_the_sum_of_all_stages_and_the_longest_chain() -> None:
    work = Work.of(recorded(), ["m0", "m1"], NEEDS)
    assert work == Work(total=80.0 + 91.0, critical=2.0 + 20.0 + 60.0 + 4.0, stages=10)


@pytest.mark.parametrize(("slots", "seconds"), [(1, 171.0), (2, 86.0), (100, 86.0)])
def test_the_least_time_is_the_longest_chain_or_the_work_divided_by_slots(slots: int, seconds: float) -> None:
    assert Work.of(recorded(), ["m0", "m1"], NEEDS).bound(slots) == seconds


def test_time_of_slots_without_a_stage_is_shared_by_all_stages() -> None:
    assert Work(total=100.0, critical=1.0, stages=20).idle(makespan=15.0, slots=8) == 1.0
