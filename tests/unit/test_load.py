from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.load import Capacity, Load

LOADS = st.builds(Load, memory=st.integers(0, 20), cores=st.integers(1, 4))
CAPACITIES = st.builds(Capacity, cores=st.integers(1, 8), memory=st.none() | st.integers(1, 40))


@given(CAPACITIES, LOADS)
def test_whatever_runs_alone_is_borne(capacity: Capacity, load: Load) -> None:
    assert capacity.bears([], load)


@given(CAPACITIES, st.lists(LOADS, min_size=1, max_size=4), LOADS)
def test_several_never_take_more_than_there_is(
    capacity: Capacity, running: list[Load], another: Load
) -> None:
    if capacity.bears(running, another):
        together = [*running, another]
        assert sum(load.cores for load in together) <= capacity.cores
        assert capacity.memory is None or sum(load.memory for load in together) <= capacity.memory


@pytest.mark.parametrize(
    ("capacity", "borne"),
    [
        (Capacity(cores=2, memory=8), True),
        (Capacity(cores=2, memory=7), False),
        (Capacity(cores=1, memory=8), False),
        (Capacity(cores=2), True),
    ],
)
def test_both_cores_and_memory_count(capacity: Capacity, borne: bool) -> None:  # noqa: FBT001
    assert capacity.bears([Load(memory=4)], Load(memory=4)) is borne
