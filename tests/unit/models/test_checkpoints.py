"""The graph of a model whose source is a checkpoint: real graph, fake sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop.with_store(tmp_path, monkeypatch)


def test_a_checkpoint_is_exported_before_anything_else(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not {"export", "m0000:export"} & set(workshop.verdicts(capsys))
    workshop.take_checkpoint()
    planned = list(workshop.verdicts(capsys))
    assert planned.index("export") < planned.index("m0000:export") < planned.index("m0000:onnx")
    assert workshop.doit() == 0
    assert workshop.verdicts(capsys) == {}


def test_another_exporter_exports_again_and_touches_nothing_else(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.take_checkpoint()
    assert workshop.doit() == 0
    workshop.exporter["packages"]["ultralytics"]["version"] = "8.4.191"
    assert workshop.doit("forget", "export") == 0
    assert workshop.doit("export") == 0
    found = workshop.verdicts(capsys)
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
    found = workshop.verdicts(capsys)
    assert "m0000:export" not in found
    assert found["m0000:onnx"] == "will run"
