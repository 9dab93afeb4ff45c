from __future__ import annotations

import pytest

from cvimake.core import clock
from cvimake.core.errors import CvimakeError
from cvimake.toolchain import commands


@pytest.fixture(autouse=True)
def _without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clock.VARIABLE, raising=False)


def test_the_default_is_a_constant() -> None:
    assert clock.epoch() == clock.DEFAULT_EPOCH
    assert clock.written(clock.epoch()) == "2024-01-01 00:00:00"
    assert commands.environment()["FAKETIME"] == "2024-01-01 00:00:00"


def test_the_users_time_is_the_time_of_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "86399")
    # The step's own zone is UTC, whatever the user's is.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert commands.environment()["FAKETIME"] == "1970-01-01 23:59:59"


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "²", " 1", str(8**11)])
def test_an_invalid_time_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(clock.VARIABLE, text)
    with pytest.raises(CvimakeError, match=clock.VARIABLE):
        clock.epoch()
