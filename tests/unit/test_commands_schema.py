from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.commands.schema import Schema
from cvimake.spec.schema import schemas


def test_it_writes_every_schema_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Schema().perform({}, []) == 0
    assert {
        path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "schemas").iterdir()
    } == schemas()
    assert capsys.readouterr().out.splitlines() == [f"schemas/{name}" for name in schemas()]


def test_it_replaces_old_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "model.schema.json").write_text("old", encoding="utf-8")
    Schema().perform({}, [])
    assert (tmp_path / "schemas/model.schema.json").read_text(encoding="utf-8") != "old"


def test_it_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert Schema().execute({}, ["x"]) == 2
    assert "takes no arguments" in capsys.readouterr().err
