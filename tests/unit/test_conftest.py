from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st


def examples() -> list[int]:
    """Return the numbers that a random test with a fixed seed gets."""
    found: list[int] = []

    @seed(0)
    @settings(database=None, max_examples=300)
    @given(st.integers())
    def note(number: int) -> None:
        found.append(number)

    note()
    return found


def test_random_tests_do_not_depend_on_the_tests_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = examples()
    constants = ", ".join(str(10**9 + number) for number in range(200))
    (tmp_path / "cvimake_for_another.py").write_text(f"NUMBERS = [{constants}]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("cvimake_for_another")
    try:
        assert examples() == before
    finally:
        del sys.modules["cvimake_for_another"]
