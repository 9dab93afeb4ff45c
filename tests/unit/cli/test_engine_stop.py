from __future__ import annotations

import pytest

from cvimake.cli.engine_stop import EngineStop
from cvimake.execution.engine import service


def test_engine_stop_stops_our_engine_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "stop", lambda _environment: "stopped")
    assert EngineStop().perform({}, []) == 0
    assert capsys.readouterr().out == "stopped\n"
