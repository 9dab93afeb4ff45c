from __future__ import annotations

from cvimake.builder.activity import Activities
from cvimake.builder.json_reporter import further


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
