from __future__ import annotations

import pytest

from cvimake.core import clock
from cvimake.core.errors import CvimakeError


def test_the_default_is_a_constant() -> None:
    assert clock.epoch({}) == clock.epoch({clock.VARIABLE: ""}) == clock.DEFAULT_EPOCH
    assert clock.written(clock.DEFAULT_EPOCH) == "2024-01-01 00:00:00"


def test_the_users_time_is_written_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert clock.written(clock.epoch({clock.VARIABLE: "86399"})) == "1970-01-01 23:59:59"


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "²", " 1", str(8**11)])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(CvimakeError, match=clock.VARIABLE):
        clock.epoch({clock.VARIABLE: text})
