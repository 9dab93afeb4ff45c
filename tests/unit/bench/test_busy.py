from __future__ import annotations

from pathlib import Path

import pytest

from bench import busy
from bench.busy import Busy
from bench.simulated import Ran


def ran(began: float, ended: float) -> Ran:
    return Ran(stage="m:onnx", began=began, ended=ended)


def build(slots: int = 16, makespan: float = 110.0) -> Busy:
    return Busy(
        slots=slots, scale=10.0, least=100.0, most=1.15, makespan=makespan, running=(float(slots), 1.0)
    )


@pytest.mark.parametrize(
    ("stages", "moments", "means"),
    [
        ([ran(5.0, 9.0)], 2, (1.0, 1.0)),
        ([ran(5.0, 9.0), ran(5.0, 7.0)], 2, (2.0, 1.0)),
        # The second one runs in half of each part.
        ([ran(0.0, 4.0), ran(1.0, 3.0)], 2, (1.5, 1.5)),
        ([ran(0.0, 1.0), ran(3.0, 4.0)], 4, (1.0, 0.0, 0.0, 1.0)),
    ],
)
def test_the_slots_that_run_a_stage_are_counted_in_equal_parts(
    stages: list[Ran], moments: int, means: tuple[float, ...]
) -> None:
    assert busy.running(stages, moments) == means


def test_builds_are_kept_as_they_are(tmp_path: Path) -> None:
    builds = [build(16), build(256)]
    busy.save(builds, tmp_path / "some.json")
    assert busy.load(tmp_path / "some.json") == builds


def test_a_picture_has_each_build_and_its_bound(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        busy.draw([build(16), build(256, makespan=130.0)], tmp_path / name)
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert "16 slots: 1.100 times the least time" in text
    assert "256 slots: 1.300 times the least time" in text
    assert "at most: 1.15 times" in text
    assert text == (tmp_path / "two.svg").read_text(encoding="utf-8")
