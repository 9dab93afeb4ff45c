from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import cluster, report
from bench.recorded import Recorded, Work
from bench.simulated import Built, Ran, Used, stages
from bench.sleeping import Sleeper, Tape
from cvimake.core.action import Limits
from cvimake.core.errors import EngineError
from cvimake.execution.engine import Command, Mount
from cvimake.toolchain.container.process_group import PROCESSES

WORK = Work(total=1600.0, critical=50.0, stages=8)


def ran(began: float, ended: float) -> Ran:
    return Ran(stage="m0000:onnx", began=began, ended=ended)


def built(*of: Ran, client: float = 0.0, memory: float = 1.0) -> Built:
    return Built(stages=of, client=Used(client, memory), scheduler=Used(1.0, 2.0))


def test_only_stages_of_models_that_have_ended_count() -> None:
    told = [
        (1.0, {"event": "started", "stage": "toolchain"}),
        (2.0, {"event": "done", "stage": "toolchain"}),
        (3.0, {"event": "started", "stage": "m0000:onnx"}),
        (3.5, {"event": "started", "stage": "m0001:onnx"}),
        (4.0, {"event": "progress", "stage": "m0000:onnx"}),
        (5.0, {"event": "done", "stage": "m0000:onnx"}),
        (6.0, {"event": "finished"}),
    ]
    assert stages(told) == (ran(3.0, 5.0),)


def test_a_makespan_reaches_from_the_first_beginning_to_the_last_end() -> None:
    found = built(ran(3.0, 5.0), ran(2.0, 7.0), ran(4.0, 9.0))
    assert (found.first, found.makespan, found.apart) == (2.0, 7.0, 2000.0)


@pytest.mark.parametrize(("seconds", "verdict"), [(11.0, "within"), (11.5, "within"), (11.6, "MISSED")])
def test_a_makespan_can_miss_its_bound(seconds: float, verdict: str) -> None:
    """1600 s on 16 slots take 100 s, which are 10 s here."""
    first, *_ = cluster.of_slots(WORK, 16, 10.0, [built(ran(1.0, 1.0 + seconds))])
    assert report.cells(first)[-2:] == ("1.15 times", verdict)
    assert first.ours.median == pytest.approx(10 * seconds)
    assert first.theirs.median == 100.0


def test_time_of_slots_is_real_and_not_simulated() -> None:
    """On 16 slots, 11 s are 176 s, of which stages take 160; that leaves 2 s for each of 8 stages."""
    found = list(cluster.of_slots(WORK, 16, 10.0, [built(ran(1.0, 12.0), client=0.5, memory=300.0)]))
    told = [(each.unit.value, each.ours.median, each.theirs.median) for each in found[1:]]
    assert told == [
        ("ms", pytest.approx(2000.0), pytest.approx(20_000.0)),
        ("processor ms", 500.0, 1000.0),
        ("MiB", 300.0, 2.0),
    ]


def test_builds_of_more_models_are_compared_with_those_of_the_fewest() -> None:
    few = [built(ran(1.0, 2.0), ran(1.0, 2.01), memory=100.0)]
    many = [built(ran(10.0, 12.0), ran(10.0, 12.02), memory=400.0)]
    found = list(cluster.of_models(1000, many, few))
    assert [(each.name, round(each.ratio or 0.0, 6)) for each in found] == [
        ("from one stage to the next, if tools take no time, 1,000 models", 2.0),
        ("until the first stage begins, 1,000 models", 10.0),
        ("the build, 1,000 models", 4.0),
    ]


def test_what_a_process_has_used_is_read_while_it_runs() -> None:
    before = Used.by(os.getpid())
    sum(range(3_000_000))
    after = Used.by(os.getpid())
    assert after.processor > before.processor > 0
    assert after.memory > 1


TAPE = Tape("m0000", {("mlir", "m0000.mlir"): b"module m0000"})


def command(folder: Path, slots: int) -> Command:
    return Command(
        name="m0042:mlir",
        image="",
        argv=(),
        environment={PROCESSES: str(slots)},
        mounts=(Mount(source=folder, target="/workspace", read_only=False),),
        working_directory="/workspace",
        user=(0, 0),
        limits=Limits(),
        results=("m0042.mlir",),
    )


def test_a_tool_sleeps_its_time_and_writes_what_was_recorded_of_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Sleeper(TAPE, Recorded([{"mlir": 60.0}]), 100.0, 8)
    slept: list[float] = []
    monkeypatch.setattr(engine, "_cancelled", SimpleNamespace(wait=slept.append, is_set=lambda: False))
    written: list[bytes] = []
    assert engine.run(command(tmp_path, 2), SimpleNamespace(write=written.append)).exit_code == 0
    assert slept == [0.3]
    assert (tmp_path / "m0042.mlir").read_bytes() == b"module m0000"
    assert written


def test_a_sleep_ends_when_it_is_cancelled_and_others_go_on(tmp_path: Path) -> None:
    engine = Sleeper(TAPE, Recorded([{"mlir": 3600.0}]), 1.0, 8)
    other = engine.apart()
    other.cancel()
    with pytest.raises(EngineError, match="m0042:mlir was cancelled"):
        other.run(command(tmp_path, 1), SimpleNamespace(write=len))
    assert not engine._cancelled.is_set()
