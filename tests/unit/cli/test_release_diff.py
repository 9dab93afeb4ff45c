from __future__ import annotations

import json
from pathlib import Path

import pytest
from releases import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    shop = Shop(tmp_path, monkeypatch)
    shop.released()
    shop.conclude(size=2000)
    shop.declare("quant_input = true", "quant_input = false")
    shop.commit()
    shop.released(version="2.0")
    capsys.readouterr()
    return shop


def test_release_diff_prints_a_table_of_changes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.doit("release:diff", "release/bench-1.0", "release/bench-2.0.tar") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "version", "1.0", "2.0"] in lines
    assert ["--quant_input", "given", "-"] in [line[-3:] for line in lines]
    assert any(line[1:2] == ["size"] and line[-3:] == ["kB", "(2000),", "+100.0%"] for line in lines)
    assert lines[-1] == ["0", "of", "2", "cvimodels", "unchanged"]


def test_the_same_is_there_as_json(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.doit("release:diff", "release/bench-1.0", "release/bench-2.0", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {"subject": "", "what": "version", "old": "1.0", "new": "2.0"} in told


def test_release_diff_needs_two_releases(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.doit("release:diff", "release/bench-1.0") == 2
    assert "release:diff takes two releases" in capsys.readouterr().err
