"""What a checkpoint as source changes in the graph: real graph, fake sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graphs import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("CVIMAKE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("cvimake.builder.store.current.user_cache", lambda _environment: tmp_path / "cache")
    root = tmp_path / "project"
    root.mkdir()
    return Workshop(root, monkeypatch)


def verdicts(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert workshop.doit("plan", "--json") == 0
    stages: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["stages"]
    return {stage["stage"]: stage["verdict"] for stage in stages}


def test_a_checkpoint_is_exported_before_anything_else(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not {"export", "m0000:export"} & set(verdicts(workshop, capsys))
    workshop.take_checkpoint()
    planned = list(verdicts(workshop, capsys))
    assert planned.index("export") < planned.index("m0000:export") < planned.index("m0000:onnx")
    assert workshop.doit() == 0
    assert verdicts(workshop, capsys) == {}


def test_another_exporter_exports_again_and_touches_nothing_else(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.take_checkpoint()
    assert workshop.doit() == 0
    workshop.exporter["packages"]["ultralytics"]["version"] = "8.4.191"
    assert workshop.doit("forget", "export") == 0
    assert workshop.doit("export") == 0
    found = verdicts(workshop, capsys)
    assert found["m0000:export"] == "will run"
    assert set(found.values()) == {"will run", "may run"}
    assert [name for name, verdict in found.items() if verdict == "will run"] == ["m0000:export"]


def test_another_toolchain_exports_nothing_again(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.take_checkpoint()
    assert workshop.doit() == 0
    workshop.identity["system"]["libc6"] = "another"
    assert workshop.doit("forget", "toolchain") == 0
    assert workshop.doit("toolchain", "export") == 0
    found = verdicts(workshop, capsys)
    assert "m0000:export" not in found
    assert found["m0000:onnx"] == "will run"
