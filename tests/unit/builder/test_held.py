from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvimake.builder.held import Held, Running, larger
from cvimake.core.action import Limits
from cvimake.core.capacity import Capacity, Load, Share
from cvimake.toolchain.container.process_group import TAKES

LOADS = st.builds(
    Load,
    memory=st.integers(0, 4), memory_per_core=st.integers(0, 2), cores=st.integers(1, 5), grows=st.booleans(),
)  # fmt: skip


@given(st.lists(st.tuples(LOADS, st.floats(0, 100)), max_size=5), st.integers(5, 9), st.integers(4, 30))
def test_no_more_is_given_than_there_is(stages: list[tuple[Load, float]], cores: int, memory: int) -> None:
    capacity = Capacity(cores=cores, memory=memory)
    running: dict[int, Running] = {}
    for number, (load, chain) in enumerate(stages):
        share = capacity.share([each.share for each in running.values()], load, 1)
        if share:
            running[number] = Running(share, load, chain)
    found = larger(capacity, running)
    for number, share in found.items():
        before, load, _ = running[number]
        assert load.grows
        assert before.cores < share.cores <= load.cores
    shares = [found.get(number, stage.share) for number, stage in running.items()]
    assert sum(share.cores for share in shares) <= cores
    if found:
        assert sum(share.memory for share in shares) <= memory
    # All that can be given is given.
    for number, stage in running.items():
        mine = found.get(number, stage.share)
        others = [found.get(other, running[other].share) for other in running if other != number]
        more = capacity.share(others, stage.load, mine.cores + 1)
        assert not stage.load.grows or more is None or more.cores <= mine.cores


def test_each_core_goes_where_the_most_work_waits_for_it() -> None:
    load = Load(memory=1, cores=8, grows=True)
    running = {"long": Running(Share(), load, 90.0), "short": Running(Share(), load, 40.0)}
    found = larger(Capacity(cores=5), running)
    assert {name: share.cores for name, share in found.items()} == {"long": 3, "short": 2}


def test_the_cores_of_a_stage_are_an_average_if_they_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("cvimake.builder.held.time", SimpleNamespace(monotonic=lambda: clock.now))
    one = Held(Share(cores=1))
    assert not one.grow(Share(cores=2)), "it has no tool yet"
    clock.now = 160.0
    assert one.cores == 1
    (tmp_path / TAKES).touch()
    with one.growth.told(Limits(), tmp_path):
        assert one.grow(Share(cores=2))
        clock.now = 170.0
        assert one.grow(Share(cores=3))
    clock.now = 180.0
    assert one.share.cores == 3
    assert one.cores == (60 + 20 + 30) / 80
