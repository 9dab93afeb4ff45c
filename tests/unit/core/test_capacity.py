from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.core.capacity import Capacity, Load, Share, cores_for

LOADS = st.builds(Load, memory=st.integers(0, 20), cores=st.integers(1, 4), memory_per_core=st.integers(0, 5))
CAPACITIES = st.builds(Capacity, cores=st.integers(1, 8), memory=st.none() | st.integers(1, 40))


@given(CAPACITIES, LOADS, st.integers(1, 9))
def test_a_stage_that_runs_alone_gets_at_least_one_core(capacity: Capacity, stage: Load, wanted: int) -> None:
    share = capacity.share([], stage, wanted)
    assert share
    assert 1 <= share.cores <= min(capacity.cores, stage.cores, wanted)


@given(CAPACITIES, st.lists(st.tuples(LOADS, st.integers(1, 9)), min_size=2, max_size=5))
def test_several_never_get_more_than_there_is(capacity: Capacity, stages: list[tuple[Load, int]]) -> None:
    shares: list[Share] = []
    for stage, wanted in stages:
        if share := capacity.share(shares, stage, wanted):
            shares.append(share)
    assert sum(share.cores for share in shares) <= capacity.cores
    if len(shares) > 1 and capacity.memory is not None:
        assert sum(share.memory for share in shares) <= capacity.memory


@pytest.mark.parametrize(
    ("capacity", "fits"),
    [
        (Capacity(cores=2, memory=8), True),
        (Capacity(cores=2, memory=7), False),
        (Capacity(cores=1, memory=8), False),
        (Capacity(cores=2), True),
    ],
)
def test_both_cores_and_memory_count(capacity: Capacity, fits: bool) -> None:  # noqa: FBT001
    assert bool(capacity.share([Share(memory=4)], Load(memory=4), 1)) is fits


def test_a_stage_gets_as_many_cores_as_their_memory_is_there_for() -> None:
    stage = Load(memory=4, cores=16, memory_per_core=3)
    assert Capacity(cores=8, memory=11).share([], stage, 8) == Share(cores=3, memory=10, free=11)
    assert Capacity(cores=8, memory=11).share([Share(memory=2)], stage, 8) == Share(cores=2, memory=7, free=9)
    assert Capacity(cores=8).share([Share(cores=6)], stage, 8) == Share(cores=2, memory=7)


@pytest.mark.parametrize(
    ("own", "all_work", "cores"),
    [
        pytest.param(60.0, 60.0, 8, id="alone"),
        pytest.param(60.0, 85.0, 6, id="with little beside it"),
        pytest.param(60.0, 120.0, 4, id="two alike"),
        pytest.param(1.0, 1000.0, 1, id="hardly any"),
        pytest.param(0.0, 0.0, 8, id="nothing is known"),
        pytest.param(0.1 + 0.2, 0.6, 4, id="a sum with an error in its last digit"),
    ],
)
def test_a_stage_is_to_get_its_part_of_the_work(own: float, all_work: float, cores: int) -> None:
    assert cores_for(own, all_work, Capacity(cores=8)) == cores


def test_no_stage_gets_more_cores_than_the_largest_machine_has() -> None:
    capacity = Capacity(cores=64, cores_each=8)
    share = capacity.share([], Load(memory=1, cores=32), 32)
    assert share
    assert share.cores == 8
