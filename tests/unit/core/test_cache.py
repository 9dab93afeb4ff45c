from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.core.cache import user_cache


def test_the_cache_is_where_the_given_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache/of-the-process")
    assert user_cache({"XDG_CACHE_HOME": "/cache", "HOME": "/h"}) == Path("/cache/cvimake")
    assert user_cache({"HOME": "/h"}) == Path("/h/.cache/cvimake")


def test_other_users_can_read_the_cache_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert user_cache({"XDG_CACHE_HOME": "/cache"}) == Path("/var/cache/cvimake")
