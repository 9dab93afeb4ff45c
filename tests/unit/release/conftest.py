from __future__ import annotations

from pathlib import Path

import pytest
from releases import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project of one model, with a release of it."""
    shop = Shop(tmp_path, monkeypatch)
    shop.released()
    return shop
