from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from doit.globals import Globals
from doit.task import Task

from cvimake.builder.activity import Activities
from cvimake.builder.events import EventStream
from cvimake.builder.json_reporter import JsonReporter, further
from cvimake.builder.task_failure import failure_of
from cvimake.core.errors import CvimakeError


def test_only_a_stage_that_has_come_further_is_told() -> None:
    activities = Activities()
    activities.begin("net:mlir")
    activities.begin("net:int8_table", 60.0)
    told: dict[str, tuple[int | None, str]] = {}
    assert further(told, activities.running()) == []
    activities.read("net:int8_table", b"[8] tune op: /model.0/conv:  12%|")
    (event,) = further(told, activities.running())
    assert (event.stage, event.percent, event.doing) == ("net:int8_table", 12, "tune op")
    assert further(told, activities.running()) == []
    activities.read("net:int8_table", b"[8] tune op: /model.1/conv:  25%|")
    assert [event.percent for event in further(told, activities.running())] == [25]


@pytest.mark.parametrize("worker", ["one", ""])
def test_the_end_of_a_stage_names_the_worker_that_it_ran_on(
    worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Globals, "dep_manager", SimpleNamespace(backend=SimpleNamespace(flush=lambda: None)))
    lines = io.StringIO()
    reporter = JsonReporter(EventStream(lines))
    for name in ("net:f16", "net:int8"):
        reporter.activities.begin(name)
        if worker:
            reporter.activities.place(name, worker)
    reporter.add_success(Task("net:f16", [lambda: True]))
    reporter.add_failure(Task("net:int8", [lambda: True]), failure_of(CvimakeError("it broke")))
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(event["event"], event["stage"], event["worker"]) for event in told] == [
        ("done", "net:f16", worker),
        ("failed", "net:int8", worker),
    ]
    assert reporter.activities.running() == []


def test_a_stage_that_gets_more_cores_is_told() -> None:
    out = io.StringIO()
    JsonReporter(EventStream(out)).grew(Task("net:calibration", None), 1, 2)
    assert json.loads(out.getvalue()) == {
        "event": "grew", "stage": "net:calibration", "before": 1, "cores": 2,
    }  # fmt: skip
