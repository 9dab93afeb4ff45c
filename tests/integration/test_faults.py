"""A shortened run of the campaigns; the whole of it is `python -m tests.faults`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from cvimake.execution.image.making import ToolchainImage
from tests.faults import concurrency, corruption, kills
from tests.faults.cases import Case
from tests.faults.victims import HARMLESS

SEED = 1


def struck(found: Iterable[Case]) -> int:
    cases = list(found)
    assert [(case.kind, case.place, case.faults) for case in cases if case.faults] == []
    return sum(case.struck for case in cases)


@pytest.fixture(autouse=True)
def _with_the_image(toolchain_image: ToolchainImage) -> None:
    assert toolchain_image.id


def test_after_any_kill_the_next_build_is_complete(tmp_path: Path) -> None:
    assert struck(kills.run(tmp_path, "tiny", HARMLESS, len(HARMLESS), SEED)) >= len(HARMLESS) - 1


def test_two_builds_at_once_build_everything_once(tmp_path: Path) -> None:
    assert struck(concurrency.run(tmp_path, 2, SEED)) == 2


def test_no_damage_goes_unnoticed(tmp_path: Path) -> None:
    kinds = len(corruption.TO_RESULTS) + len(corruption.TO_DATABASES) + len(corruption.TO_STORE)
    assert struck(corruption.run(tmp_path, kinds, SEED)) >= kinds - 2
